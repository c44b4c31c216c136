// The shell lines that the demo prints, one for each route. Each can be pasted after those before it.

const json = "-H 'content-type: application/json'";
const LISTS = '({ v2: "/api/v2/workflows", v1: "/api/v1/workflows", flows: "/api/flows" })';
const field = (path) => `node -p 'JSON.parse(fs.readFileSync(0)).${path}'`;

/** @param {string} url the host's, without a path */
export function curlLines(url) {
  const sim = `${url}/api/sim`;
  const auth = '-H "authorization: Bearer $TOKEN"';
  const create = (name) =>
    `$(curl -s ${url}/drafts/${name} | curl -s ${sim}/flows/create ${auth} ${json} -d @- | ${field('flow.id')})`;
  const run = (flow, body) => `$(curl -s ${sim}/flows/${flow}/run ${auth} ${json} -d '${body}' | ${field('run.id')})`;
  return [
    '# sign in (good for 15 minutes)',
    `TOKEN=$(curl -s ${url}/api/auth/login ${json} -d '{"username":"ada"}' | ${field('token')})`,
    '# health',
    `curl -s ${sim}/health ${auth}`,
    '# create a flow from a document, and deploy it',
    `FLOW=${create('echo')}`,
    '# list, get',
    `curl -s ${sim}/flows ${auth}`,
    `curl -s ${sim}/flows/$FLOW ${auth}`,
    '# run: wait for the output, or start and read the status',
    `curl -s ${sim}/flows/$FLOW/run ${auth} ${json} -d '{"input":{"message":"hello"},"mode":"sync"}'`,
    `RUN=${run('$FLOW', '{"input":{"message":"hello"}}')}`,
    `curl -s ${sim}/runs/$RUN/status ${auth}`,
    '# the same as events, until the run has ended',
    `curl -sN ${sim}/runs/$RUN/events ${auth}`,
    '# a run as it comes: its handle, then tokens and tools, then the end',
    `FLOW=${create('talk')}`,
    `curl -sN ${sim}/flows/$FLOW/run ${auth} ${json} -d '{"input":{"message":"hello"},"mode":"stream"}'`,
    '# stop a run that takes its time',
    `FLOW=${create('wait')}`,
    `RUN=${run('$FLOW', '{}')}`,
    `curl -s -X POST ${sim}/runs/$RUN/cancel ${auth}`,
    '# a run that waits for a person, and the answer to it (once its status is paused)',
    `FLOW=${create('approve')}`,
    `RUN=${run('$FLOW', '{}')}`,
    `until curl -s ${sim}/runs/$RUN/status ${auth} | grep '"paused",'; do sleep 1; done`,
    `curl -s ${sim}/runs/$RUN/resume ${auth} ${json} -d '{"input":{"approved":true}}'`,
    "# a call from the proxy's allow-list, by the API that this Sim has",
    `LIST=$(curl -s ${sim}/health ${auth} | node -p '${LISTS}[JSON.parse(fs.readFileSync(0)).sim.apiVersion]')`,
    `curl -s ${sim}/proxy ${auth} ${json} -d '{"method":"GET","path":"'$LIST'"}'`,
  ].join('\n');
}
