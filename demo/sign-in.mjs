// A stand-in for LibreChat's sign-in: any name is let in, as an administrator. Tokens and guard are LibreChat's: HS256
// with JWT_SECRET, payload {id, username, provider, email}, short-lived, a cookie for the next one, and the passport-jwt
// strategy before the router.

import { createHash, randomBytes } from 'node:crypto';

import jwt from 'jsonwebtoken';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';

process.env.JWT_SECRET = randomBytes(32).toString('hex');
const REFRESH_SECRET = randomBytes(32);

/** Each user has a cookie of their own, so that one browser can be several people at once, a window for each. */
const cookieOf = (id) => `refreshToken-${id}`;
const COOKIE_OPTIONS = { httpOnly: true, sameSite: 'strict', path: '/api/auth' };

const users = new Map();

/** The same name is the same user; ids look like MongoDB's. */
function userOf(username) {
  const id = createHash('sha256').update(username).digest('hex').slice(0, 24);
  const email = `${username}@example.com`;
  return { id, _id: id, username, name: username, email, provider: 'local', role: 'ADMIN' };
}

/** `POST {username}` → `{token, user}`, or 400. */
export function signIn(req, res) {
  const { username } = req.body ?? {};
  if (typeof username !== 'string' || !/^[\w.-]{1,32}$/.test(username)) {
    res.status(400).json({ message: 'username: 1 to 32 letters, digits, dots, dashes or underscores' });
    return;
  }
  const user = userOf(username);
  users.set(user.id, user);
  const token = jwt.sign({ id: user.id }, REFRESH_SECRET, { expiresIn: '7d' });
  res.cookie(cookieOf(user.id), token, COOKIE_OPTIONS);
  res.json(admit(req, user));
}

/** A token for the next minutes, and whose it is. */
function admit(req, user) {
  const { id, username, provider, email } = user;
  const expiresIn = req.app.get('tokenSeconds') ?? 900;
  return { token: jwt.sign({ id, username, provider, email }, process.env.JWT_SECRET, { expiresIn }), user };
}

/** `POST {id}` with the cookie of that user's sign-in → `{token, user}`, or 401. */
export function refresh(req, res) {
  const id = req.body?.id;
  const cookies = new Map((req.headers.cookie ?? '').split('; ').map((pair) => pair.split('=')));
  try {
    const signedIn = jwt.verify(cookies.get(cookieOf(id)) ?? '', REFRESH_SECRET, { algorithms: ['HS256'] });
    if (signedIn.id !== id) throw new Error("another user's cookie");
    res.json(admit(req, users.get(id)));
  } catch {
    res.status(401).json({ message: 'Sign in again' });
  }
}

/** `POST {id}` → `{}`: that user's cookie is gone. */
export function signOut(req, res) {
  const id = req.body?.id;
  if (users.has(id)) res.clearCookie(cookieOf(id), COOKIE_OPTIONS);
  res.json({});
}

passport.use(
  new Strategy(
    {
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: process.env.JWT_SECRET,
      algorithms: ['HS256'],
    },
    (payload, done) => done(null, users.get(payload.id) ?? false),
  ),
);

/** Whose token it is, for connections without HTTP headers; nothing when it is not good. */
export function userOfToken(token) {
  try {
    return users.get(jwt.verify(token ?? '', process.env.JWT_SECRET, { algorithms: ['HS256'] }).id);
  } catch {
    return undefined;
  }
}

/** Sets `req.user`, or answers 401. */
export const requireJwtAuth = passport.authenticate('jwt', { session: false });
