'use strict';

// Hints from a fork of Sim that tells of its runs over Socket.io: each makes the run's watchers look at Sim now. What the
// event says of the run is not believed. It knows the socket by `on` and `off` only.

/** The text at a path such as `data.executionId`; ids are text. */
function textAt(value, path) {
  const found = path?.split('.').reduce((inner, name) => inner?.[name], value);
  return typeof found === 'string' ? found : undefined;
}

/**
 * @param {{ on: Function, off: Function }} socket a Socket.io client's
 * @param {import('./adapter.js').SimAdapter} adapter
 * @param {Record<string, { flow?: string, run?: string }>} events by name, where Sim's ids are in the first argument
 * @returns {() => void} stops listening
 */
function takeHints(socket, { bridge }, events) {
  const listeners = Object.entries(events).map(([name, { flow, run }]) => {
    const hear = (data) => {
      const about = [textAt(data, flow), textAt(data, run)];
      // An event that names nothing would wake all, and a busy Sim has many.
      if (about.some((id) => id !== undefined)) bridge.nudge(...about);
    };
    socket.on(name, hear);
    return [name, hear];
  });
  return () => {
    for (const [name, hear] of listeners) socket.off(name, hear);
  };
}

module.exports = { takeHints };
