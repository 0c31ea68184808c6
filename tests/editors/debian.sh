#!/usr/bin/env bash
# Unpacks Helix and Emacs' packages from Debian's testing release, without installing anything: debian.sh FOLDER
set -euo pipefail
. /etc/os-release
# The mirror that this machine uses anyway.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null \
    | awk -v release="${VERSION_CODENAME:-}" '$2 == release { print $1; exit }') || true
if [ "$ID" != debian ] || [ -z "$mirror" ]; then
    echo "The tests of Helix and Emacs need Debian's packages, and this machine has no Debian mirror." >&2
    exit 1
fi
mkdir -p "$1"
root=$(cd "$1" && pwd)
state="$root/.apt"
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/packages"
cat > "$state/sources.sources" <<END
Types: deb
URIs: $mirror
Suites: forky bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
cat > "$state/conf" <<END
Dir::Etc::sourcelist "$state/sources.sources";
Dir::Etc::sourceparts "-";
Dir::State::lists "$state/lists";
Dir::Cache "$state/cache";
Dir::State::status "/dev/null";
APT::Sandbox::User "root";
END
export APT_CONFIG="$state/conf"
apt-get update -qq
lisp=(dash f ht lsp-mode lv markdown-mode s spinner)
cd "$state/packages"
# Emacs 28 has no eglot of its own, and later ones need none. Helix is run with the C library it was built for.
apt-get download -qq "${lisp[@]/#/elpa-}" elpa-eglot/bookworm hx libc6 libgcc-s1
for each in *.deb; do
    dpkg-deb -x "$each" "$root"
done
rm -r "$state/packages" "$state/cache"
