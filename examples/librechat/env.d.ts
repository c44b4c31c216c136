// What LibreChat's own build knows and the type check of this example has to be told.

declare module '*.css';

declare module '~/hooks' {
  export function useLocalize(): (key: string) => string;
}
