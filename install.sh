#!/bin/sh
# Installs the newest release of mastoform: downloads the binary of this machine, checks its SHA-256, and puts it into
# ~/.local/bin, or into $MASTOFORM_BIN. Needs curl and tar, and no root.
#
# $MASTOFORM_VERSION chooses another release (v0.1.0), $MASTOFORM_RELEASES another place of releases.
set -eu

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

case "$(uname -s)" in
Linux) system=unknown-linux-gnu ;;
Darwin) system=apple-darwin ;;
*) fail "there is no binary for $(uname -s); build from source, see README.md" ;;
esac
case "$(uname -m)" in
x86_64 | amd64) machine=x86_64 ;;
arm64 | aarch64) machine=aarch64 ;;
*) fail "there is no binary for $(uname -m); build from source, see README.md" ;;
esac

name=mastoform-$machine-$system
# A release writes its own address here.
releases=${MASTOFORM_RELEASES:-@RELEASES@}
case "$releases" in
@*) fail "set MASTOFORM_RELEASES to the address of the releases, or use the install.sh of a release" ;;
esac
case "${MASTOFORM_VERSION:-}" in
'') from=$releases/latest/download ;;
*) from=$releases/download/$MASTOFORM_VERSION ;;
esac
bin=${MASTOFORM_BIN:-$HOME/.local/bin}
case "$bin" in
/*) ;;
*) bin=$PWD/$bin ;;
esac

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
    curl --fail --silent --show-error --location --output "$folder/$file" "$from/$file" ||
        fail "cannot download $from/$file"
done
cd "$folder"
if command -v sha256sum >/dev/null; then
    found=$(sha256sum "$name.tar.gz")
else
    found=$(shasum -a 256 "$name.tar.gz")
fi
# The checksum is compared with the download, whichever file it names.
expected=$(cut -d ' ' -f 1 "$name.tar.gz.sha256")
test "${found%% *}" = "$expected" || fail "the download does not match its checksum"
tar -xzf "$name.tar.gz"
mkdir -p "$bin"
install -m 755 "$name/mastoform" "$bin/mastoform"
echo "mastoform is in $bin/mastoform"
case ":$PATH:" in
*":$bin:"*) ;;
*) echo "add $bin to your PATH" ;;
esac
