'use strict';

// The host's logger, called the way it wants to be called. It knows no event.

/** pino's loggers, children included, have this; pino takes the fields first, and would drop them after the message. */
const PINO = Symbol.for('pino.serializers');

/**
 * @param {import('../index.js').Logger | undefined} logger
 * @returns {(line: { level: string, event: string, message: string, about?: object | null }) => void}
 */
function logTo(logger) {
  if (!logger) return () => {};
  const fieldsFirst = PINO in logger;
  return ({ level, event, message, about }) => {
    const fields = { event, ...about };
    const text = `[sim-adapter] ${message}`;
    // A logger of three levels or fewer still hears of the worst.
    const name = level === 'error' && typeof logger.error !== 'function' ? 'warn' : level;
    try {
      if (fieldsFirst) logger[name](fields, text);
      else logger[name]?.(text, fields);
    } catch {
      // There is nowhere left to say that the log failed.
    }
  };
}

module.exports = { logTo };
