#!/bin/sh
# Installs media-node from this folder: ./install.sh [PREFIX]. The prefix is /usr/local for root, else ~/.local.
set -eu
cd "$(dirname "$0")"
if [ $# -gt 0 ]; then
    prefix=$1
elif [ "$(id -u)" = 0 ]; then
    prefix=/usr/local
else
    prefix=$HOME/.local
fi
put() { mkdir -p "$(dirname "$2")" && cp "$1" "$2" && chmod "$3" "$2"; }
put media-node "$prefix/bin/media-node" 755
for page in texts/man/*.1; do
    put "$page" "$prefix/share/man/man1/$(basename "$page")" 644
done
put texts/media-node.bash "$prefix/share/bash-completion/completions/media-node" 644
put texts/_media-node "$prefix/share/zsh/site-functions/_media-node" 644
put texts/media-node.fish "$prefix/share/fish/vendor_completions.d/media-node.fish" 644
if [ "$(id -u)" = 0 ]; then units=$prefix/lib/systemd/user; else units=$prefix/share/systemd/user; fi
put texts/media-node-serve.service "$units/media-node-serve.service" 644
echo "installed $prefix/bin/media-node"
case ":$PATH:" in
    *":$prefix/bin:"*) ;;
    *) echo "add $prefix/bin to PATH, or call it by its path" ;;
esac
