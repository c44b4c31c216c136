// LibreChat's own build knows how to take in a style sheet; the type check of this example has to be told.
declare module '*.css';
