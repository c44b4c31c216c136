// What the figures of growth come to, in words: what dominates, and what 100,000 requests/s take. Nothing but arithmetic
// over what was measured.

const TARGET = 100_000;

const round = (value) =>
  value < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value).toLocaleString('en');
const signed = (value) => `${value < 0 ? '−' : '+'}${round(Math.abs(value))}`;

/** @returns {string[]} paragraphs of Markdown */
export function conclusions({ machine, users, streams, processes }) {
  const [few, many] = [users[0], users.at(-1)];
  const [, open] = [streams[0], streams.at(-1)];
  const shared = processes.at(-1);
  const cores = (TARGET * shared.cpu) / 1e6;
  const redis = (TARGET * shared.also) / 1e6;
  const share = (shared.also / (shared.cpu + shared.also)) * 100;
  const rest = (open.rest / open.streams) * 1e6;
  return [
    `Measured ${machine.date.slice(0, 10)} on ${machine.cores} cores (${machine.processor}), Node ${machine.node}, load average ` +
      `${machine.load} at the start. Load, Sim and Redis share the cores with what is measured.`,

    `What dominates: with ${round(many.users)} users in the limiter, not ${round(few.users)}, a request costs ${signed(many.cpu - few.cpu)} µs ` +
      `beside ${round(few.cpu)} µs, and a user ${round(many.held / many.users)} bytes. An open stream costs ` +
      `${round(open.held / open.streams / 1024)} KiB and, without news, ${round(rest)} µs of CPU in a second: one read of its run every ` +
      `5 s, so that ${round(1e6 / rest)} of them are a core. Where limits are shared, Redis does ${round(share)} % of a request's work ` +
      'on this side of Sim, the processes the rest.',

    `${TARGET.toLocaleString('en')} requests/s, if each costs what it costs here: ${round(cores)} cores for the processes ` +
      `(${round(shared.cpu)} µs each), and ${round(redis)} for Redis (${round(shared.also)} µs each). Redis decides on one thread, so ` +
      `one of them is full at ${round(1e6 / shared.also)} requests/s: it takes a cluster of at least ${Math.ceil(redis)} ` +
      '(`USE_REDIS_CLUSTER`), each with its part of the users. Beside limits and the reading of watched runs processes share nothing, so ' +
      'that machines are added without telling the others. Limits in memory need no Redis, and count in each process for itself.',
  ];
}
