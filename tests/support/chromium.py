"""Headless Chromium, with the network cut off, spoken to over a pipe in the DevTools protocol.

    with Browser() as browser, browser.open(Path("report.html")) as page:
        print(page.failed, page.outside, page.errors)

The pipe needs no driver, no port and no package, and reaches into a network namespace of the browser's own.
Protocol: https://chromedevtools.github.io/devtools-protocol.
"""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WIDE, PHONE = (1280, 800), (390, 844)
"""Width and height of a laptop's window and of a phone, in CSS pixels."""
PATIENCE = 30.0
"""Seconds for one answer, or for one page to load; ours take less than one."""
QUIET = 0.05
"""Seconds without a word from a page until it counts as finished."""
INSIDE = ("file:", "data:", "blob:", "about:")
"""What a page may ask for: nothing of it leaves the machine."""
NO_NAMES = ["--host-resolver-rules=MAP * ~NOTFOUND"]
OPTIONS = [
    "--headless",
    "--no-sandbox",  # root needs it; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-site-isolation-trials",  # frames stay in the process of their page
    "--disable-features=IsolateSandboxedIframes,Translate",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--no-first-run",
    "--remote-debugging-pipe",
]
DRAWN = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
PLACE = """async (element, [right, down]) => {
  element.scrollIntoView({block: "center", behavior: "instant"});
  let box = {}, before;
  do {  // until it stays where it is
    before = box;
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    box = element.getBoundingClientRect();
  } while (box.x !== before.x || box.y !== before.y || box.width !== before.width);
  return [box.x + right * box.width, box.y + down * box.height];
}"""
# The browser hears on descriptor 3 and answers on 4.
LAUNCH = """import os, sys
for theirs, end in ((3, sys.argv[1]), (4, sys.argv[2])):
    os.dup2(int(end), theirs)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium():
    """Path of the browser; None where none is installed."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), None)


def without_network():
    """Beginning of a command that starts without any network; empty where the machine does not allow it."""
    unshare = shutil.which("unshare")
    for options in ("--net",), ("--user", "--map-root-user", "--net"):
        if unshare and not subprocess.run([unshare, *options, "true"], capture_output=True).returncode:
            return [unshare, *options]
    return []


class Browser:
    """One browser process, cut off from the network in two ways of which either is enough.

    Parameters
    ----------
    names : no name and no address can be looked up.
    interfaces : its process has no network interface, where the machine allows that.
    """

    def __init__(self, *, names=True, interfaces=True):
        self.namespace = without_network() if interfaces else []
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        self._pages, self._answers, self._unread = {}, {}, b""
        self._numbers = itertools.count(1)
        heard, self._commands = os.pipe()
        self._answered, said = os.pipe()
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (heard, said)]  # clear of 3 and 4
        cut = NO_NAMES if names else []
        command = [*self.namespace, find_chromium(), *OPTIONS, *cut, f"--user-data-dir={self._profile}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *map(str, theirs), *command],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for end in (heard, said, *theirs):
            os.close(end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._commands)
        os.close(self._answered)
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, file, **how):
        """Load a file as a Page; `how` is passed on to it."""
        return Page(self, file, **how)

    def call(self, method, session=None, **params):
        """Answer to one command. What pages say in the meantime goes to them."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        os.write(
            self._commands, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        )
        end = time.monotonic() + PATIENCE
        while number not in self._answers:
            if not self.listen(end - time.monotonic()):
                raise TimeoutError(f"{method}: no answer within {PATIENCE} s")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def listen(self, seconds):
        """Take in what comes within so many seconds; whether anything came."""
        if not select.select([self._answered], [], [], max(seconds, 0))[0]:
            return False
        heard = os.read(self._answered, 1 << 20)
        if not heard:
            raise EOFError("the browser has ended")
        *messages, self._unread = (self._unread + heard).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            elif page := self._pages.get(message.get("sessionId")):
                page.hear(message["method"], message["params"])
        return True


class Page:
    """One file, loaded in a context of its own as in a private window.

    Attributes
    ----------
    requests : every address that was asked for, inside or outside.
    outside : those that are not in a file or in the page itself.
    failed : addresses that did not arrive, and why.
    errors : errors on the console and errors that nothing caught.
    """

    def __init__(self, browser, file, *, size=WIDE, dark=False, media="screen"):
        self.file, self.size = Path(file).resolve(), size
        self.requests, self.outside, self.failed, self.errors = [], [], [], []
        self._browser, self._under_way, self._loaded = browser, {}, False
        self._context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self._context)[
            "targetId"
        ]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser._pages[self._session] = self
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")
        self.look(size=size, dark=dark, media=media)
        self._loaded = False
        self.call("Page.navigate", url=self.file.as_uri())
        self._wait(lambda: self._loaded, "load")
        self.rest()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        del self._browser._pages[self._session]
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def call(self, method, **params):
        """Answer to a command about this page."""
        return self._browser.call(method, self._session, **params)

    def hear(self, event, said):
        """Note what the browser says of this page."""
        match event:
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self._ask(said["requestId"], said["request"]["url"])
            case "Network.webSocketCreated":
                self._ask(None, said["url"])
            case "Network.responseReceived" if said["response"]["status"] >= 400:
                self.failed.append(f"{said['response']['url'][:200]}: {said['response']['status']}")
            case "Network.loadingFinished":
                self._under_way.pop(said["requestId"], None)
            case "Network.loadingFailed":
                self.failed.append(f"{self._under_way.pop(said['requestId'], '')[:200]}: {said['errorText']}")
            case "Runtime.exceptionThrown":
                details = said["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if said["type"] in ("error", "assert"):
                shown = (part.get("value", part.get("description", "")) for part in said["args"])
                self.errors.append(" ".join(map(str, shown)))
            case "Log.entryAdded" if said["entry"]["level"] == "error":
                self.errors.append(said["entry"]["text"])

    def _ask(self, number, url):
        self.requests.append(url)
        if number:
            self._under_way[number] = url
        if not url.startswith(INSIDE):
            self.outside.append(url)

    def _wait(self, ready, what):
        end = time.monotonic() + PATIENCE
        while not ready():
            if not self._browser.listen(min(QUIET, end - time.monotonic())) and time.monotonic() > end:
                raise TimeoutError(f"{self.file}: {what} takes more than {PATIENCE} s")

    def rest(self):
        """Wait until every request has ended and the page has been quiet for a moment."""
        self._wait(lambda: not self._under_way, "a request")
        end = time.monotonic() + PATIENCE
        while self._browser.listen(QUIET) and time.monotonic() < end:
            pass

    def look(self, *, size=None, dark=False, media="screen"):
        """Show the page in another size, colour scheme or medium (screen, print)."""
        self.size = size or self.size
        width, height = self.size
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def frames(self):
        """Numbers of the page's own frame and of all that are in it, from the outside in."""
        found, pending = [], [self.call("Page.getFrameTree")["frameTree"]]
        while pending:
            tree = pending.pop(0)
            found.append(tree["frame"]["id"])
            pending += tree.get("childFrames", [])
        return found

    def evaluate(self, expression, frame=None, *, own=False):
        """Value of an expression or of its promise, in the page or in one of its frames.

        It sees the frame's document, and with `own` the variables of its scripts (page only).
        """
        where = {}
        if not own:
            made = self.call("Page.createIsolatedWorld", frameId=frame or self.frames()[0], worldName="tests")
            where = {"contextId": made["executionContextId"]}
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, **where
        )
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"].get("exception", {}).get("description", expression))
        return done["result"].get("value")

    def click(self, expression, frame=None, *, at=(0.5, 0.5)):
        """Press the mouse on the element that an expression gives, at so much of its width and height."""
        x, y = self.evaluate(f"({PLACE})({expression}, {list(at)})", frame)
        if frame and frame != self.frames()[0]:
            owner = self.call("DOM.getFrameOwner", frameId=frame)["backendNodeId"]
            self.call("DOM.scrollIntoViewIfNeeded", backendNodeId=owner)
            corner = self.call("DOM.getBoxModel", backendNodeId=owner)["model"]["content"]
            x, y = x + corner[0], y + corner[1]
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)
        self.evaluate(DRAWN)

    def screenshot(self, *, whole=False):
        """PNG of what is seen, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def pdf(self):
        """PDF of the page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])
