"""Which files of a browser's profile have a link's secret: while its page is open, and after the browser has ended.

    python benchmarks/link_on_disk.py                      # Chromium, with a window (Xvfb) and without one
    python benchmarks/link_on_disk.py --firefox            # Firefox

Opens the presenter page of a real show by its link in a new profile, and looks for the secret in every file of the
profile, in the encodings that browsers write. The browser ends as a person ends it, or is killed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SLIDEWIRE = str(Path(sys.executable).with_name("slidewire"))
STAYS = 15
"""Seconds that the page is open: browsers write what they keep after some."""
CHROMIUM = ["chromium", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--ignore-certificate-errors"]  # fmt: skip
FIREFOX = ["firefox-esr", "--no-remote", "--new-instance"]
PREFERENCES = (
    '"browser.shell.checkDefaultBrowser", false',
    '"browser.aboutwelcome.enabled", false',
    '"datareporting.policy.dataSubmissionEnabled", false',
)


def where(profile: Path, secret: str) -> list[str]:
    """The files that have it, without what is a number in their names."""
    wanted = (secret.encode(), secret.encode("utf-16-le"))
    found = set()
    for path in profile.rglob("*"):
        if path.is_file() and any(text in path.read_bytes() for text in wanted):
            name = str(path.relative_to(profile))
            found.add("".join("N" if letter.isdigit() else letter for letter in name).replace("NN", "N"))
    return sorted(found)


def look(command: list[str], profile: Path, url: str, secret: str, how: int) -> tuple[list[str], list[str]]:
    browser = subprocess.Popen(
        [*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(STAYS)
    during = where(profile, secret)
    if how == signal.SIGKILL:
        os.killpg(browser.pid, how)
    else:
        browser.send_signal(how)
    try:
        browser.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
    time.sleep(1)
    return during, where(profile, secret)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--firefox", action="store_true")
    firefox = parser.parse_args().firefox
    home = Path(tempfile.mkdtemp(prefix="slidewire-disk-"))
    environment = {**os.environ, "HOME": str(home)}
    up = [SLIDEWIRE, "up", "--json", "--no-open", "--listen", "127.0.0.1", "--port", "0", "--turn-port", "0"]
    # Plain HTTP on loopback is a secure context, and needs no certificate that each browser would have to be told of.
    with subprocess.Popen([*up, "--http"], stdout=subprocess.PIPE, env=environment, text=True) as show:
        assert show.stdout is not None
        try:
            url = json.loads(show.stdout.readline())["presenter_link"]
            secret = url.partition("#")[2]
            for windowed in (True, False):
                for name, how in (("closed", signal.SIGTERM), ("killed", signal.SIGKILL)):
                    profile = Path(tempfile.mkdtemp(dir=home))
                    if firefox:
                        lines = "".join(f"user_pref({line});\n" for line in PREFERENCES)
                        (profile / "user.js").write_text(lines, encoding="utf-8")
                        command = [*FIREFOX, "--profile", str(profile), *([] if windowed else ["--headless"])]
                    else:
                        command = [*CHROMIUM, f"--user-data-dir={profile}", *([] if windowed else ["--headless=new"])]
                    if windowed:
                        command = ["xvfb-run", "-a", *command]
                    during, after = look(command, profile, url, secret, how)
                    print(
                        f"{'a window' if windowed else 'no window'}, {name}\n  open:  {during}\n  after: {after}",
                        flush=True,
                    )
        finally:
            show.send_signal(signal.SIGINT)
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
