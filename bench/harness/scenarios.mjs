// What is measured and what has to come out: one row of the table each. It must not know how.
//
// A bar compares the package with the best of the peers it names (`against`), or with nothing (an absolute figure):
// `least` for what should be large, `most` for what should be small; `stretch` is the wish beyond it.

import { proxy, run } from './requests.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;

export const PACKAGE = 'sim-adapter';
const UNDICIS = ['best-js', 'undici'];

const rate = (least, against, stretch) => ({ metric: 'rate', against, least, stretch });

/** 256 B is measured as a run and as a plain read. */
function small(name, make) {
  return [
    { ...make, name: `run${name}`, title: `run, 256 B, ${make.title}`, request: run(256) },
    { ...make, name: `proxy${name}`, title: `/proxy, 256 B, ${make.title}`, request: proxy(256) },
  ];
}

/**
 * A refusal costs next to nothing beside Express itself, so what it costs shows ahead of Express only: the bars are there.
 */
function refused({ bars, ...make }) {
  const common = { ...make, refused: true, connections: 64, peers: [PACKAGE, 'best-js'] };
  return [
    { ...common, mount: 'lane', title: `${make.title}, ahead of Express`, bars },
    { ...common, mount: 'json', name: `${make.name}-express`, title: `${make.title}, after express.json`, bars: [] },
  ];
}

/** @type {{ name: string, title: string, request: { path: string, body: string, tokens: string[] }, mount: "json" | "raw" | "lane" | "lane-node",
 * connections: number, peers: string[], bars: object[], refused?: boolean, longer?: number, limit?: object }[]}
 * `longer`: slices take so many times as long, and there are fewer, so that a first pass of three clears nothing. */
export const SCENARIOS = [
  ...small('', {
    title: '64 connections, after express.json',
    mount: 'json',
    connections: 64,
    peers: [PACKAGE, ...UNDICIS, 'express-constant', 'node-http'],
    bars: [
      rate(1.4, ['best-js'], 1.6),
      rate(1.9, ['undici']),
      { metric: 'main', against: ['best-js'], most: 0.6, stretch: 0.5 },
      { metric: 'cpu', against: ['best-js'], most: 0.75, stretch: 0.65 },
      rate(0.9, ['express-constant'], 1),
    ],
  }),
  ...small('-axios', {
    title: '64 connections, after express.json: axios, http-proxy-middleware',
    mount: 'json',
    connections: 64,
    peers: [PACKAGE, 'hpm', 'axios', 'axios-string'],
    bars: [rate(3.7, ['axios']), rate(6.3, ['axios-string'])],
  }),
  ...small('-raw', {
    title: '64 connections, before express.json',
    mount: 'raw',
    connections: 64,
    peers: [PACKAGE, 'best-js', 'express-constant'],
    bars: [rate(1.4, ['best-js'], 1.6)],
  }),
  ...small('-c1', {
    title: '1 connection, after express.json',
    mount: 'json',
    connections: 1,
    peers: [PACKAGE, 'best-js'],
    bars: [rate(1.25, ['best-js'], 1.5)],
  }),
  ...small('-c512', {
    title: '512 connections, after express.json',
    mount: 'json',
    connections: 512,
    peers: [PACKAGE, 'best-js'],
    bars: [rate(1.7, ['best-js'], 2)],
  }),
  ...small('-lane', {
    title: '64 connections, ahead of Express',
    mount: 'lane',
    connections: 64,
    peers: [PACKAGE, 'best-js', 'node-http'],
    bars: [rate(1.8, ['best-js'], 2.2), rate(0.65, ['node-http'], 0.8)],
  }),
  // Of a client that asks for other things, too, on the same connection.
  ...small('-lane-node', {
    title: '64 connections, ahead of Express, through Node',
    mount: 'lane-node',
    connections: 64,
    peers: [PACKAGE, 'best-js', 'node-http'],
    bars: [rate(1.8, ['best-js'], 2.2)],
  }),
  ...refused({
    name: 'refused-401',
    title: 'run with a forged token: 401',
    request: run(256, { forged: true }),
    bars: [rate(1.8, ['best-js'], 2.2)],
  }),
  ...refused({
    name: 'refused-429',
    title: 'run above the limit: 429',
    // Few users, so that the warm-up uses up what all of them may do: one request a week.
    request: run(256, { users: 16 }),
    limit: { userMax: 1, userWindow: 7 * 24 * 60 },
    bars: [rate(1.65, ['best-js'], 2)],
  }),
  {
    name: 'proxy-16k',
    title: '/proxy, 16 KiB, 64 connections',
    request: proxy(16 * KIB),
    mount: 'json',
    connections: 64,
    peers: [PACKAGE, 'best-js'],
    bars: [rate(1.5, ['best-js'], 1.8)],
  },
  {
    name: 'proxy-1m',
    title: '/proxy, 1 MiB, 32 connections',
    request: proxy(MIB),
    mount: 'json',
    connections: 32,
    peers: [PACKAGE, ...UNDICIS],
    bars: [{ metric: 'megabytes', against: UNDICIS, least: 1.9, stretch: 2.2 }],
  },
  {
    name: 'proxy-1m-lane',
    title: '/proxy, 1 MiB, 32 connections, ahead of Express',
    request: proxy(MIB),
    mount: 'lane',
    connections: 32,
    peers: [PACKAGE, 'best-js'],
    bars: [],
  },
  {
    name: 'proxy-16m',
    title: '/proxy, 16 MiB, 32 connections',
    request: proxy(16 * MIB),
    // All connections together have half a gigabyte under way.
    longer: 3,
    mount: 'json',
    connections: 32,
    peers: [PACKAGE, ...UNDICIS],
    bars: [
      { metric: 'megabytes', against: UNDICIS, least: 1.8, stretch: 2 },
      { metric: 'rss', most: 250, stretch: 150 },
      { metric: 'delay', against: UNDICIS, most: 1 },
    ],
  },
  {
    name: 'upload',
    title: 'run, 2.9 MiB, 8 connections, after express.json',
    request: run(Math.floor(2.9 * MIB), { users: 8 }),
    mount: 'json',
    connections: 8,
    peers: [PACKAGE, ...UNDICIS],
    bars: [],
  },
  {
    name: 'upload-raw',
    title: 'run, 2.9 MiB, 8 connections, before express.json',
    request: run(Math.floor(2.9 * MIB), { users: 8 }),
    mount: 'raw',
    connections: 8,
    peers: [PACKAGE, 'best-js'],
    bars: [],
  },
  {
    name: 'events',
    title: 'run as a stream, 500 events back to back, 32 connections',
    request: run(256, { flow: 'events-500', mode: 'stream' }),
    mount: 'json',
    connections: 32,
    peers: [PACKAGE, ...UNDICIS],
    bars: [
      { metric: 'main', against: UNDICIS, most: 0.65 },
      { metric: 'cpu', against: UNDICIS, most: 1 },
      rate(1, UNDICIS, 1.3),
    ],
  },
];

/** Those who say nothing but one constant answer. */
export const CEILINGS = ['express-constant', 'node-http'];
