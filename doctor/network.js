'use strict';

// The way to Sim, hop by hop: name, port, TLS, and whether it is Sim that answers. It never names the host: the
// environment has it, and what is printed here ends up in tickets.

const dns = require('node:dns/promises');
const net = require('node:net');
const tls = require('node:tls');

const { ask } = require('./ask.js');
const { fail, ok, skip } = require('./findings.js');

const hostOf = ({ base }) => base.hostname.replace(/^\[|\]$/g, '');
const portOf = ({ base }) => Number(base.port) || (base.protocol === 'https:' ? 443 : 80);

async function checkName(sim) {
  if (net.isIP(hostOf(sim))) return ok('SIM_BASE_URL has an address, no name');
  try {
    const addresses = await dns.lookup(hostOf(sim), { all: true });
    return ok(`the host of SIM_BASE_URL has ${addresses.length} address${addresses.length === 1 ? '' : 'es'}`);
  } catch (error) {
    const fix =
      'Write the name as this machine knows it. In Docker: the service name, on a network that both containers share.';
    return fail(`the host of SIM_BASE_URL has no address (${error.code})`, fix);
  }
}

const CONNECTING = {
  ECONNREFUSED:
    'Nothing listens on that port: start Sim, or mend the port. In a container localhost is the container itself.',
  ETIMEDOUT: 'No answer at all: a firewall or a network policy is in the way, or the address is wrong.',
  EHOSTUNREACH: 'There is no route to it: check networks and firewall.',
  ENETUNREACH: 'There is no route to it: check networks and firewall.',
};

/** Opens a connection with `open(onReady)`, closes it, and tells the error's code if there was one. */
function connected(timeoutMs, open) {
  return new Promise((resolve) => {
    const socket = open(() => done());
    const done = (code) => {
      socket.destroy();
      resolve(code);
    };
    socket.setTimeout(timeoutMs, () => done('ETIMEDOUT'));
    socket.on('error', (error) => done(error.code ?? 'unknown'));
  });
}

async function checkPort(sim) {
  const code = await connected(sim.timeoutMs, (ready) => net.connect({ host: hostOf(sim), port: portOf(sim) }, ready));
  if (code === undefined) return ok('a connection stands');
  return fail(
    `no connection (${code})`,
    CONNECTING[code] ?? 'Check SIM_BASE_URL and the network between here and Sim.',
  );
}

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

async function checkCertificate(sim) {
  if (sim.base.protocol !== 'https:') return skip('SIM_BASE_URL is http: fine inside one network, never across others');
  const host = hostOf(sim);
  const options = { host, port: portOf(sim), servername: net.isIP(host) ? undefined : host, ca: sim.ca };
  const code = await connected(sim.timeoutMs, (ready) => tls.connect(options, ready));
  if (code === undefined) return ok('the certificate is trusted and names the host');
  if (UNTRUSTED.has(code)) {
    return fail(
      `the certificate is not trusted (${code})`,
      'Set SIM_CA_FILE to a PEM file with the authority that signed it.',
    );
  }
  if (code === 'CERT_HAS_EXPIRED') return fail('the certificate has expired', 'Renew it, or set this clock right.');
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return fail('the certificate names another host', 'Write the host in SIM_BASE_URL as the certificate has it.');
  }
  return fail(`no TLS (${code})`, 'Is it a port of https? If it speaks http, write http:// in SIM_BASE_URL.');
}

/** `/api/health` of Sim, which needs no key. A guard's refusal is an answer too: the next check is about that. */
async function checkAnswer(sim) {
  let answer;
  try {
    answer = await ask(sim, '/api/health', {});
  } catch (error) {
    return fail(
      `no answer to GET /api/health (${error.code})`,
      'Is it http behind this port, and is Sim up? See its log.',
    );
  }
  sim.health = answer;
  if (answer.status === 200 && answer.json?.status === 'ok') return ok('Sim answers its health check');
  if (answer.json?.error?.code === 'invalid_signature') return ok('a signature guard answers');
  const fix =
    'Something else than Sim answers there. Check the port and the sub-path of SIM_BASE_URL, and any proxy before Sim.';
  return fail(`GET /api/health is answered with ${answer.status}${answer.json ? '' : ' and no JSON'}`, fix);
}

module.exports = { checkAnswer, checkCertificate, checkName, checkPort };
