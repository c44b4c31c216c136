// Starts and ends the processes: the upstream, and a server for each peer. It must not know what is measured.

import { fork, spawn } from 'node:child_process';
import path from 'node:path';

import { must, root } from '../../scripts/steps.mjs';
import { SECRETS } from './requests.mjs';

/** Where everything goes that a benchmark writes. */
export const FOLDER = path.join(root, '.build/bench');

/** As much as may be allowed to one user; all of them together never reach it. */
const UNLIMITED = { userMax: 100_000, userWindow: 1 };

const ENDS = path.join(FOLDER, 'target');

let built;

/** Builds the programs of bench/ends, once a process. */
export function buildEnds() {
  const manifest = path.join(root, 'bench/ends/Cargo.toml');
  const where = ['--manifest-path', manifest, '--target-dir', ENDS];
  built ??= must('cargo', ['build', '--locked', '--quiet', '--release', ...where]);
  return built;
}

/** The path of a program of bench/ends. */
export async function program(name) {
  await buildEnds();
  return path.join(ENDS, 'release', name);
}

/** @returns {Promise<{ url: string, end: () => void }>} */
export async function startUpstream() {
  const child = spawn(await program('upstream'), { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await new Promise((resolve, reject) => {
    child.on('error', reject).on('exit', () => reject(new Error('the upstream ended')));
    child.stdout.once('data', (line) => resolve(Number(line)));
  });
  return { url: `http://127.0.0.1:${port}`, end: () => child.stdin.end() };
}

/** One peer in its process. */
class Peer {
  #child;

  /** @param {string} name @param {{ mount: 'json' | 'raw' | 'lane' | 'lane-node', upstream: string, limit?: object }} place */
  static async start(name, { mount, upstream, limit = UNLIMITED }) {
    const settings = JSON.stringify({ peer: name, mount, upstream, ...SECRETS, ...limit });
    const env = { PATH: process.env.PATH, NODE_ENV: 'production' };
    const peer = new Peer();
    peer.name = name;
    peer.#child = fork(path.join(root, 'bench/peers/server.mjs'), [settings], { env });
    peer.port = (await peer.#message()).port;
    return peer;
  }

  get pid() {
    return this.#child.pid;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What the process has used so far: CPU in µs, and its event loop's delay since the last `reset`, in ms. */
  usage(question = 'usage') {
    const answer = this.#message();
    this.#child.send(question);
    return answer;
  }

  end() {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    return ended;
  }

  #message() {
    return new Promise((resolve, reject) => {
      const onExit = (code) => reject(new Error(`${this.name} ended with exit code ${code}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (message) => {
        this.#child.off('exit', onExit);
        resolve(message);
      });
    });
  }
}

/** Starts a peer for each name, lets `work` use them, and ends them whatever comes. */
export async function withPeers(names, place, work) {
  const started = await Promise.allSettled(names.map((name) => Peer.start(name, place)));
  const peers = started.flatMap(({ value }) => value ?? []);
  try {
    const failure = started.find(({ status }) => status === 'rejected');
    if (failure) throw failure.reason;
    return await work(peers);
  } finally {
    await Promise.all(peers.map((peer) => peer.end()));
  }
}
