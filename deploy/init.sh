#!/bin/sh
# Writes .env (for Sim) and librechat.env (for LibreChat's .env) beside this script, with fresh secrets, and a .gitignore for
# them where there is none. Never overwrites a file, never prints a secret. Needs only what POSIX and busybox have.
#
#   ./init.sh https://sim.example.com
set -eu
umask 077

usage() {
  echo "usage: $0 <address of Sim's editor in browsers>" >&2
  exit 2
}

[ $# -eq 1 ] || usage
public_url=${1%/}
case $public_url in
  *[!A-Za-z0-9.:/_~%-]*) usage ;;
  https://?* | http://?*) ;;
  *) usage ;;
esac

cd "$(dirname "$0")"
for file in .env librechat.env; do
  if [ -e "$file" ] || [ -L "$file" ]; then
    echo "$file exists already: nothing was changed. Move it away to start anew." >&2
    exit 1
  fi
done

# 32 bytes as 64 hex digits: safe in URLs, in .env files and in shells.
secret() {
  value=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
  [ ${#value} -eq 64 ] || {
    echo 'no random bytes could be read from /dev/urandom' >&2
    exit 1
  }
  printf %s "$value"
}

work=.init.$$
trap 'rm -f "$work.sim" "$work.librechat"' EXIT
trap 'exit 1' HUP INT TERM
signing_secret=$(secret)

while IFS= read -r line; do
  case $line in
    SIM_PUBLIC_URL=) line=$line$public_url ;;
    SIM_SIGNING_SECRET=) line=$line$signing_secret ;;
    [A-Z]*=) line=$line$(secret) ;;
  esac
  printf '%s\n' "$line"
done < env.example > "$work.sim"

cat > "$work.librechat" <<END
# Add these lines to LibreChat's .env. The key is made in Sim's settings; the workspace's id is in its address.
SIM_BASE_URL=http://sim-guard:8080
SIM_API_KEY=
SIM_WORKSPACE_ID=
SIM_PUBLIC_URL=$public_url
SIM_SIGNING_SECRET=$signing_secret
SIM_HANDLE_SECRET=$(secret)
END

# npm ships no .gitignore. Where there is one it is the repository's, or yours.
if ! [ -e .gitignore ] && ! [ -L .gitignore ]; then
  cat > .gitignore <<END
# What init.sh writes, and the tarballs that the guard's image is made of.
.env
librechat.env
.init.*
guard/*.tgz
END
fi

# A hard link is made only where no file is: a second run at the same moment cannot win twice.
ln "$work.sim" .env
ln "$work.librechat" librechat.env

echo 'Wrote .env and librechat.env (readable by you alone).'
