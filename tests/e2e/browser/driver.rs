//! A headless Chromium of its own for each test, driven through ChromeDriver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long ChromeDriver may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is started at most: it takes a free port of IPv4, and ends if the same one of IPv6 is taken.
const STARTS: usize = 5;

/// ChromeDriver, ended with its browser when dropped, also when the test has failed.
#[derive(Debug)]
struct Driver {
    child: Child,
    port: u16,
}

/// A browser with one page.
#[derive(Debug)]
pub(super) struct Browser {
    pub(super) client: Client,
    // Ends the browser, so it goes after the client.
    _driver: Driver,
}

impl Browser {
    pub(super) async fn start() -> Result<Self> {
        let driver = tokio::task::spawn_blocking(Driver::start).await??;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities()?)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .context("ChromeDriver could not start Chromium")?;
        Ok(Self { client, _driver: driver })
    }

    /// One command of the Chrome DevTools Protocol.
    pub(super) async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", body).await.with_context(|| format!("the browser refused {command}"))
    }

    /// What the page has written to the console since the last call.
    pub(super) async fn console(&self) -> Result<Vec<Value>> {
        match self.post("se/log", json!({ "type": "browser" })).await? {
            Value::Array(entries) => Ok(entries),
            other => bail!("the browser's log is no list: {other}"),
        }
    }

    async fn post(&self, path: &'static str, body: Value) -> Result<Value> {
        Ok(self.client.issue_cmd(Post { path, body }).await?)
    }
}

impl Driver {
    fn start() -> Result<Self> {
        let mut said = String::new();
        for _ in 0..STARTS {
            match Self::start_once()? {
                Ok(driver) => return Ok(driver),
                Err(last_words) => said = last_words,
            }
        }
        bail!("ChromeDriver was started {STARTS} times and ended each time; it said at last: {said}")
    }

    /// What it said last, if it ended at once.
    fn start_once() -> Result<Result<Self, String>> {
        let program = std::env::var_os("POOLSCOPE_CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
        let mut child = Command::new(&program)
            // It says on which port it listens then.
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| {
                format!("cannot start {}; run `cargo xtask test --suite browser`", program.display())
            })?;
        let stdout = child.stdout.take().context("ChromeDriver has no stdout")?;
        let mut driver = Self { child, port: 0 };
        let (sender, receiver) = std::sync::mpsc::channel();
        // Reads on to the end, so that ChromeDriver never waits for a full pipe.
        std::thread::spawn(move || {
            let mut last = String::new();
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let port = line.rsplit_once("started successfully on port ").map(|(_, rest)| rest);
                if let Some(port) = port.and_then(|rest| rest.trim_end_matches('.').parse().ok()) {
                    let _ = sender.send(Ok(port));
                }
                last = line;
            }
            let _ = sender.send(Err(last));
        });
        let told =
            receiver.recv_timeout(PATIENCE).context("ChromeDriver did not say on which port it listens")?;
        Ok(told.map(|port| {
            driver.port = port;
            driver
        }))
    }

    /// Asks ChromeDriver to end, which also ends the browser; killed, it would leave the browser behind.
    fn ask_to_end(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let host = format!("127.0.0.1:{}", self.port);
        stream.write_all(
            format!("GET /shutdown HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes(),
        )?;
        stream.take(64 * 1024).read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let asked = self.port != 0 && self.ask_to_end().is_ok();
        let deadline = Instant::now() + PATIENCE;
        while asked && Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn capabilities() -> Result<Capabilities> {
    let chromium = match std::env::var_os("POOLSCOPE_CHROMIUM") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from("/usr/bin/chromium"),
    };
    let chrome = json!({
        "binary": chromium,
        "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
        ],
    });
    match json!({ "goog:chromeOptions": chrome, "goog:loggingPrefs": { "browser": "ALL" } }) {
        Value::Object(capabilities) => Ok(capabilities),
        _ => bail!("capabilities have to be an object"),
    }
}

/// A command that WebDriver itself does not have.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _url: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
