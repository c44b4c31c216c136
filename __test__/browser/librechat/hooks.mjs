// LibreChat's `~/hooks`, as far as the example uses it: the words that its README adds to LibreChat's own.

import readme from '../../../examples/librechat/README.md?raw';

const words = JSON.parse(/```json\n(.*?)```/s.exec(readme)[1]);

export const useLocalize = () => (key) => words[key] ?? `missing: ${key}`;
