"""The live server: nobody but its own page gets in, nothing but the page and the jobs is there, jobs are bounded."""

import http.client
import json
import socket
import sys
import threading
import time
from contextlib import suppress

import pytest

import mrsim.app.jobs
import mrsim.app.server
from mrsim.app.jobs import BusyError, Jobs
from mrsim.app.server import MOST_BYTES, LabServer


class NoJobs:
    """Takes every job and runs none."""

    def __init__(self):
        self.asked = []

    def start(self, table, budget):
        self.asked.append((table, budget))
        return "0123456789abcdef"

    def state(self, name):
        return {"state": "queued"} if name == "0123456789abcdef" else None

    def cancel(self, name):
        return name == "0123456789abcdef"

    def close(self):
        pass


@pytest.fixture
def server():
    made = LabServer(0, lambda token: f"<p>{token}</p>", NoJobs())
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(5)


def ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def test_client_that_sends_a_little_now_and_then_is_dropped(server, monkeypatch):
    monkeypatch.setattr(mrsim.app.server, "PATIENCE", 1.0)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as client:
        start = time.monotonic()
        client.sendall(b"GET / HTTP/1.1\r\n")
        with suppress(ConnectionError):
            while time.monotonic() < start + 5:
                client.sendall(b"X: y\r\n")
                time.sleep(0.1)
        assert 0.9 < time.monotonic() - start < 2.5


def test_port_that_is_taken_is_said_before_the_page_is_made(server):
    def page(token):
        raise AssertionError("made in vain")

    with pytest.raises(OSError, match="in use"):
        LabServer(server.server_port, page, NoJobs())


def test_server_is_bound_to_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"


def test_page_is_sent_to_who_knows_the_token(server):
    status, content, headers = ask(server, "GET", f"/?token={server.token}")
    assert status == 200
    assert server.token.encode() in content
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers
    for query in ("", "?token=", "?token=wrong", "?token=%ff", f"?token={server.token}x"):
        status, content, _ = ask(server, "GET", f"/{query}")
        assert status == 403
        assert server.token.encode() not in content


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/jobs", "/index.html", "/../etc/passwd", "/%2e%2e/etc/passwd", "//[", "/api/jobs/../x", "/etc"],
)
def test_nothing_else_is_reachable(server, path):
    status, content, _ = ask(server, "GET", path, X_Mrsim_Token=server.token)
    assert status == 404
    assert json.loads(content) == {"error": "there is nothing here"}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil.example:80"])
def test_foreign_host_is_refused(server, host):
    status, _, _ = ask(server, "GET", f"/?token={server.token}", Host=host)
    assert status == 421


@pytest.mark.parametrize("origin", ["null", "http:" + "//evil.example", "https://127.0.0.1", ""])
def test_foreign_origin_is_refused(server, origin):
    body = json.dumps({"setting": {"sequence": "se"}})
    headers = {"X_Mrsim_Token": server.token, "Content_Type": "application/json", "Origin": origin}
    assert ask(server, "POST", "/api/jobs", body, **headers)[0] == 403
    assert server.jobs.asked == []


def test_job_needs_token_and_json_and_a_small_body(server):
    body, kind = json.dumps({"setting": {"sequence": "se"}, "budget": True}), {"Content_Type": "application/json"}
    good = {**kind, "X_Mrsim_Token": server.token}
    assert ask(server, "POST", "/api/jobs", body, **kind)[0] == 403
    assert ask(server, "POST", "/api/jobs", body, **{**good, "Content_Type": "text/plain"})[0] == 415
    assert ask(server, "POST", "/api/jobs", "[1]", **good)[0] == 400
    assert ask(server, "POST", "/api/jobs", "{", **good)[0] == 400
    assert ask(server, "POST", "/api/jobs", "[" * 5000, **good)[0] == 400
    assert ask(server, "POST", "/api/jobs", '{"setting": 1}', **good)[0] == 422
    assert ask(server, "POST", "/api/jobs", '{"setting": {}, "file": "x"}', **good)[0] == 422
    assert ask(server, "POST", "/api/jobs", "x" * (MOST_BYTES + 1), **good)[0] == 413
    assert ask(server, "POST", "/api/jobs", None, **{**good, "Content_Length": "9" * 5000})[0] == 411
    assert server.jobs.asked == []
    status, content, _ = ask(server, "POST", "/api/jobs", body, **good)
    assert (status, json.loads(content)) == (202, {"id": "0123456789abcdef"})
    assert server.jobs.asked == [({"sequence": "se"}, True)]


def test_job_can_be_followed_and_cancelled_by_who_knows_the_token(server):
    path = "/api/jobs/0123456789abcdef"
    assert ask(server, "GET", path)[0] == 403
    assert ask(server, "DELETE", path)[0] == 403
    assert json.loads(ask(server, "GET", path, X_Mrsim_Token=server.token)[1]) == {"state": "queued"}
    assert ask(server, "DELETE", path, X_Mrsim_Token=server.token)[0] == 200
    assert ask(server, "GET", "/api/jobs/ffffffffffffffff", X_Mrsim_Token=server.token)[0] == 404
    assert ask(server, "PUT", path, X_Mrsim_Token=server.token)[0] == 501


ENDLESS = 'import time; print(\'["progress", "simulate", 1, 10]\', flush=True); time.sleep(60)'
SUDDEN = "raise SystemExit(3)"
CUT = 'import sys; sys.stdin.read(); print(\'["done", {"pictu\', end="", flush=True)'


def test_jobs_stand_in_a_short_line_and_are_ended_when_asked(monkeypatch):
    monkeypatch.setattr(mrsim.app.jobs, "COMMAND", [sys.executable, "-c", ENDLESS])
    jobs = Jobs()
    names = [jobs.start({"sequence": "mese"}) for _ in range(3)]
    with pytest.raises(BusyError):
        jobs.start({"sequence": "mese"})
    until(lambda: jobs.state(names[0])["total"] == 10)
    assert jobs.state(names[0])["state"] == "running"
    assert jobs.state(names[1])["state"] == "queued"
    assert jobs.cancel(names[0])
    until(lambda: jobs.state(names[1])["state"] == "running")
    process = jobs._jobs[names[1]].process
    jobs.close()
    until(lambda: process.poll() is not None)
    assert [jobs.state(name)["state"] for name in names] == ["cancelled"] * 3
    with pytest.raises(BusyError):
        jobs.start({"sequence": "mese"})


@pytest.mark.parametrize(
    ("work", "longest", "said"),
    [
        (ENDLESS, 0.3, "ended after"),
        (SUDDEN, 60.0, "without a word"),
        (CUT, 60.0, "without a word"),
    ],
)  # fmt: skip
def test_job_that_lasts_too_long_or_dies_says_so_and_the_next_one_runs(monkeypatch, work, longest, said):
    monkeypatch.setattr(mrsim.app.jobs, "COMMAND", [sys.executable, "-c", work])
    jobs = Jobs(longest=longest)
    names = [jobs.start({"sequence": "mese"}) for _ in range(2)]
    for name in names:
        until(lambda name=name: jobs.state(name)["state"] == "failed")
        assert said in jobs.state(name)["error"]
    jobs.close()


def test_job_that_hears_nothing_of_its_setting_fails(monkeypatch):
    """The pipe to a process that died at once is broken when the setting is written."""
    late = mrsim.app.jobs.subprocess.Popen

    def dead(*arguments, **options):
        process = late(*arguments, **options)
        process.wait()
        return process

    monkeypatch.setattr(mrsim.app.jobs, "COMMAND", [sys.executable, "-c", ""])
    monkeypatch.setattr(mrsim.app.jobs.subprocess, "Popen", dead)
    jobs = Jobs()
    name = jobs.start({"sequence": "mese"})
    until(lambda: jobs.state(name)["state"] == "failed")
    jobs.close()


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)
