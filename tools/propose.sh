#!/usr/bin/env bash
# Open a pull request with what a step has changed; do nothing if it changed nothing.
#
#     tools/propose.sh NAME TITLE PATH…
#
# The branch proposal/NAME-BASE is made again each time, so an older proposal of the same kind is brought up to date.
# Needs git with a remote `origin` that may be pushed to, and GitHub's command line `gh` with GH_TOKEN.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 title=$2
shift 2
if [ -z "$(git status --porcelain -- "$@")" ]; then
    echo "nothing to propose: $* is up to date"
    exit 0
fi
command -v gh >/dev/null || { echo "error: this step needs gh, GitHub's command line; install it and run make again" >&2; exit 1; }
base=$(git branch --show-current)
[ -n "$base" ] || { echo "error: no branch is checked out, so there is nothing to propose a change to; git switch to one" >&2; exit 1; }
branch=proposal/$name-${base//\//-}
git switch --quiet --force-create "$branch"
git add --all -- "$@"
git -c user.name="${GIT_AUTHOR_NAME:-maintenance}" -c user.email="${GIT_AUTHOR_EMAIL:-maintenance@users.noreply.github.com}" \
    commit --quiet --message "$title"
git push --quiet --force origin "$branch"
git switch --quiet "$base"
if gh pr view "$branch" --json state --jq .state 2>/dev/null | grep -qx OPEN; then
    echo "the open pull request of $branch was brought up to date"
else
    gh pr create --base "$base" --head "$branch" --title "$title" \
        --body "Made by a scheduled or triggered step; \`make ci\` says whether it is fit. Read the difference before you merge it."
fi
