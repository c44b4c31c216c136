// Who is signed in, as in LibreChat's client: a short token in memory, and a cookie that gives the next one.

/** One call of the host's own; its problems are `{message}`. */
async function post(path, body) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

/**
 * @returns {Promise<{user: {username: string, role: string}, getToken: () => string, refresh: () => Promise<string>,
 *   signOut: () => Promise<unknown>}>}
 */
export async function signIn(username) {
  let { token, user } = await post('/api/auth/login', { username });
  return {
    user,
    getToken: () => token,
    refresh: async () => {
      // Another window of this browser may be somebody else.
      ({ token } = await post('/api/auth/refresh', { id: user.id }));
      return token;
    },
    signOut: () => post('/api/auth/logout', { id: user.id }),
  };
}

/** Ready drafts to create flows from. */
export const loadDrafts = async () => (await fetch('/drafts')).json();
