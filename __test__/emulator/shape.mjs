// Says where the shapes of two JSON values differ: their keys, and the JSON types behind them. It must not know what
// the values mean, except which of Sim's fields may be null.

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

// What is null until something has happened, and `value`, a setting that may be empty.
const NULLABLE = new Set([
  'deployedAt',
  'lastRunAt',
  'endedAt',
  'totalDurationMs',
  'durationMs',
  'cost',
  'activatedAt',
  'value',
]);

// What the author of a flow decides, in places that list several flows.
const AUTHORED = new Set(['finalOutput']);

const typeOf = (value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

const keyedById = (value) => Object.keys(value).length > 0 && Object.keys(value).every((key) => UUID.test(key));

function inObjects(one, other, path) {
  if (keyedById(one) && keyedById(other)) {
    return inLists(Object.values(one), Object.values(other), path);
  }
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].flatMap((key) => {
    const at = `${path}.${key}`;
    if (!(key in one)) {
      return [`${at} is only in the second`];
    }
    return key in other ? differences(one[key], other[key], at, key) : [`${at} is only in the first`];
  });
}

/** Each item must have the shape of some item of the other list; only where the first is empty is there none to fit. */
function inLists(one, other, path) {
  if (one.length === 0 || other.length === 0) {
    return one.length === 0 ? [] : [`${path} is empty in the second`];
  }
  const without = (items, others) =>
    items.flatMap((item, index) => {
      const found = others.map((candidate) => differences(item, candidate, `${path}[${index}]`));
      const best = found.reduce((a, b) => (b.length < a.length ? b : a));
      return best;
    });
  return [...without(one, other), ...without(other, one)];
}

/** The differences between two values' shapes, one line each; empty when they have the same shape. */
export function differences(one, other, path = '$', key = '') {
  const types = [typeOf(one), typeOf(other)];
  if (types[0] !== types[1]) {
    return NULLABLE.has(key) && types.includes('null') ? [] : [`${path}: ${types[0]} is not ${types[1]}`];
  }
  if (types[0] === 'array') {
    return inLists(one, other, path);
  }
  return types[0] === 'object' && !AUTHORED.has(key) ? inObjects(one, other, path) : [];
}

/** Notes which id of the second value stands where an id of the first one does; what is known already stays. */
export function matchIds(one, other, ids) {
  if (typeof one === 'string' && typeof other === 'string') {
    if (UUID.test(one) && !ids.has(one)) {
      ids.set(one, other);
    }
  } else if (typeOf(one) === typeOf(other) && typeof one === 'object' && one !== null) {
    for (const key of Object.keys(one)) {
      if (key in other) {
        matchIds(one[key], other[key], ids);
      }
    }
  }
}
