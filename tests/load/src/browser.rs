//! A headless Chromium, driven through ChromeDriver; each has a profile of its own.

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

/// Milliseconds that a script may take: whoever judges a whole page needs some time for it on a busy machine.
const SCRIPT_LIMIT_MS: u32 = 120_000;

/// How often it is started at most: it takes a free port of IPv4, and ends if the same one of IPv6 is taken.
const STARTS: usize = 5;

/// ChromeDriver, ended with its browser when dropped, also after a panic.
#[derive(Debug)]
struct Driver {
    child: Child,
    port: u16,
}

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    /// The page, by WebDriver.
    pub client: Client,
    // Ends the browser, so it goes after the client.
    _driver: Driver,
}

impl Browser {
    /// Starts ChromeDriver and, through it, Chromium: those that `POOLSCOPE_CHROMEDRIVER` and `POOLSCOPE_CHROMIUM` name, else
    /// those that are installed.
    ///
    /// # Errors
    /// If one of the two is not there or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(json!({ "browser": "ALL" })).await
    }

    /// Starts them so that what the network does is noted too, for [`Browser::network`]; it costs the browser something.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub async fn start_noting_network() -> Result<Self> {
        Self::start_with(json!({ "browser": "ALL", "performance": "ALL" })).await
    }

    async fn start_with(logs: Value) -> Result<Self> {
        let driver = tokio::task::spawn_blocking(Driver::start).await??;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&logs)?)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .context("ChromeDriver could not start Chromium")?;
        Ok(Self { client, _driver: driver })
    }

    /// One command of the Chrome DevTools Protocol.
    ///
    /// # Errors
    /// If the browser refuses it.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", body).await.with_context(|| format!("the browser refused {command}"))
    }

    /// What the page has written to the console since the last call.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn console(&self) -> Result<Vec<Value>> {
        self.log("browser").await
    }

    /// What DevTools have told of the network since the last call.
    ///
    /// # Errors
    /// If the browser is gone, or does not note it.
    pub async fn network(&self) -> Result<Vec<Value>> {
        let entries = self.log("performance").await?;
        let told = entries.iter().filter_map(|entry| serde_json::from_str(entry["message"].as_str()?).ok());
        Ok(told.map(|mut told: Value| told["message"].take()).collect())
    }

    async fn log(&self, kind: &str) -> Result<Vec<Value>> {
        match self.post("se/log", json!({ "type": kind })).await? {
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

fn capabilities(logs: &Value) -> Result<Capabilities> {
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
    match json!({ "goog:chromeOptions": chrome, "goog:loggingPrefs": logs, "timeouts": { "script": SCRIPT_LIMIT_MS } })
    {
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
