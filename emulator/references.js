'use strict';

/**
 * References in a workflow document: `<block.path>` stands for an output of an earlier block.
 * Pure functions of text and outputs; nothing here knows of runs.
 */

const REFERENCE = /<([A-Za-z_][\w ]*(?:\.[\w-]+)*)>/g;

/** Sim compares block names without case and spaces. */
const normalise = (name) => name.toLowerCase().replace(/\s+/g, '');

/** The value at a path such as `['result', 'n']`; undefined when there is none. */
function valueAt(value, path) {
  return path.reduce((found, key) => (found === null || found === undefined ? undefined : found[key]), value);
}

/** The value of `block.path`, looked up in outputs keyed by normalised block name. */
function lookUp(reference, outputs) {
  const [name, ...path] = reference.split('.');
  return valueAt(outputs.get(normalise(name)), path);
}

const asText = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

/** Puts values into free text; a reference to nothing stays as it is written. */
function resolveText(text, outputs) {
  return text.replace(REFERENCE, (whole, reference) => {
    const value = lookUp(reference, outputs);
    return value === undefined ? whole : asText(value);
  });
}

/** Puts values into JSON text: inside quotes as part of the string, elsewhere as a JSON value. */
function resolveJson(text, outputs) {
  return text.replace(REFERENCE, (whole, reference, offset) => {
    const value = lookUp(reference, outputs);
    if (value === undefined) {
      return text[offset - 1] === '"' ? whole : 'null';
    }
    return text[offset - 1] === '"' ? JSON.stringify(asText(value)).slice(1, -1) : JSON.stringify(value);
  });
}

/** Resolves the strings within any JSON value. */
function resolveDeep(value, outputs) {
  if (typeof value === 'string') {
    return resolveText(value, outputs);
  }
  if (Array.isArray(value)) {
    return value.map((item) => resolveDeep(item, outputs));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolveDeep(item, outputs)]));
  }
  return value;
}

module.exports = { normalise, valueAt, resolveText, resolveJson, resolveDeep };
