# Shared by quickstart, test and the programs of tools/: where things are, and steps that show progress. Sourced, with VK_ROOT
# set to the folder of the project. Nothing here needs more than bash and coreutils.

VK_TOOLS=$VK_ROOT/.tools
VK_LOGS=$VK_TOOLS/log
mkdir -p "$VK_LOGS"
# Programs that valetkey brought itself (node, npm, nginx) come first.
case ":$PATH:" in *":$VK_TOOLS/bin:"*) ;; *) PATH=$VK_TOOLS/bin:$PATH ;; esac
# nginx and others live where the PATH of a user may not look.
PATH=$PATH:/usr/sbin:/sbin
export PATH
VK_STARTED=$(date +%s)

say() { printf '%s\n' "$*"; }
die() {
  printf '\n%s: %s\n' "${VK_NAME:-valetkey}" "$*" >&2
  if declare -F vk_on_die >/dev/null; then vk_on_die; fi
  exit 1
}
elapsed() { echo $(($(date +%s) - VK_STARTED)); }

# The process groups of what runs, ended when the script is.
vk_group=
vk_interrupted() {
  trap - INT TERM
  local g
  for g in $vk_group; do kill -TERM -- "-$g" 2>/dev/null; done
  printf '\n%s: interrupted; running it again goes on where it stopped.\n' "${VK_NAME:-valetkey}" >&2
  exit 130
}
trap vk_interrupted INT TERM

vk_step_no=0
vk_steps=0 # how many the script has; it sets this

# step TITLE LOG COMMAND...: runs a command with its output in .tools/log/LOG and shows that it is alive. On failure shows the
# log's end and ends the script.
step() {
  local title=$1 log=$VK_LOGS/$2 began now rc tty=0 last=0 head
  shift 2
  vk_step_no=$((vk_step_no + 1))
  head=$(printf '[%d/%d] %s' "$vk_step_no" "$vk_steps" "$title")
  [ -t 1 ] && tty=1
  began=$(date +%s)
  if [ $tty = 1 ]; then printf '%s ' "$head"; else printf '%s\n' "$head"; fi
  # A group of its own, so that an interrupt ends all of it; input is empty, so that nothing waits for a person.
  set -m
  ( "$@" ) >"$log" 2>&1 </dev/null &
  vk_group=$!
  set +m
  while kill -0 "$vk_group" 2>/dev/null; do
    sleep 0.2
    now=$(($(date +%s) - began))
    if [ $tty = 1 ]; then
      printf '\r\033[K%s  %d s' "$head" "$now"
    elif [ $now -ge $((last + 15)) ]; then
      last=$now
      printf '      … %d s: %s\n' "$now" "$(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c1-90)"
    fi
  done
  wait "$vk_group"
  rc=$?
  vk_group=
  now=$(($(date +%s) - began))
  [ $tty = 1 ] && printf '\r\033[K%s  ' "$head" || printf '      '
  if [ $rc -ne 0 ]; then
    printf 'failed after %d s\n\n' "$now"
    tail -n 40 "$log" | sed 's/^/    /'
    die "\"$title\" failed (exit code $rc). The whole log: ${log#"$VK_ROOT"/}"
  fi
  printf 'done, %d s\n' "$now"
}

# A step that had nothing to do.
step_skip() {
  vk_step_no=$((vk_step_no + 1))
  printf '[%d/%d] %s: %s\n' "$vk_step_no" "$vk_steps" "$1" "$2"
}

# sudo_now: asks for the password, if one is needed, before a step hides the terminal.
sudo_now() {
  [ "$(id -u)" = 0 ] && return 0
  command -v sudo >/dev/null 2>&1 || return 0 # tools/install says what to do
  sudo -n true 2>/dev/null && return 0
  [ -t 0 ] || die 'needs sudo without a password, or a terminal to ask for one, to install what is missing'
  sudo -v || die 'no packages can be installed without sudo'
}

# version_at_least HAVE WANT
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# npm_ready FOLDER: true when node_modules is what its lock file says.
npm_stamp() { sha256sum "$1/package.json" "$1/package-lock.json" 2>/dev/null | cut -c1-64 | tr '\n' ' '; node -v; }
npm_ready() { [ -f "$1/node_modules/.valetkey-stamp" ] && [ "$(cat "$1/node_modules/.valetkey-stamp")" = "$(npm_stamp "$1")" ]; }
# npm_install FOLDER: exactly what its lock file says, when that is not there yet. Install scripts are not run.
npm_install() {
  npm_ready "$1" && return 0
  ( cd "$1" && npm ci --ignore-scripts --no-audit --no-fund ) || return 1
  npm_stamp "$1" >"$1/node_modules/.valetkey-stamp"
}
