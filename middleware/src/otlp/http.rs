//! One attempt over HTTP.

use std::time::SystemTime;

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use poolscope_semconv::protocol::DASHBOARD_HEADER;
use prost::Message as _;
use reqwest::redirect::{Action, Attempt, Policy};

use super::answer::{Answer, Message, Refused, Taken};
use super::config::Target;
use super::error::OtlpError;
use super::retry::{is_transient_http, retry_after};

/// Largest answer that is read; the specification's limit.
pub(super) const MAX_ANSWER: usize = 4 << 20;
/// Who sends.
pub(super) const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-Rust-Poolscope/", env!("CARGO_PKG_VERSION"));

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// Some receivers answer in JSON whatever they were asked in.
const JSON: &[u8] = b"application/json";
/// A receiver that moved says so once or twice; more is a circle.
const MAX_REDIRECTS: usize = 5;

/// An HTTP receiver of one signal.
#[derive(Debug)]
pub(super) struct HttpSender {
    client: reqwest::Client,
    url: String,
    headers: HeaderMap,
    gzip: bool,
}

impl HttpSender {
    /// Prepares a way to the target; nothing is connected yet.
    pub(super) fn new(target: &Target) -> Result<Self, OtlpError> {
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::custom(redirect))
            .referer(false);
        #[cfg(feature = "otlp-tls")]
        let client = tls(client, target).map_err(|error| target.refused(&error))?;
        let client = client.build().map_err(|error| target.refused(&error))?;
        let mut headers = target.headers.clone();
        // Last, so that no header of the user's says otherwise.
        headers.insert(header::CONTENT_TYPE, PROTOBUF);
        if target.gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Self { client, url: target.endpoint.clone(), headers, gzip: target.gzip })
    }

    /// The body as it travels.
    pub(super) fn packed(&self, body: Bytes) -> Bytes {
        if !self.gzip {
            return body;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Neither fails: a vector takes everything.
        let written = std::io::Write::write_all(&mut encoder, &body);
        written.and_then(|()| encoder.finish()).unwrap_or_default().into()
    }

    pub(super) async fn send(&self, packed: Bytes) -> Answer {
        let request = self.client.post(&self.url).headers(self.headers.clone()).body(packed);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                return Answer {
                    is_dashboard: false,
                    result: Err(Refused::unanswered(&error.without_url())),
                };
            }
        };
        let is_dashboard = is_dashboard(answer.headers());
        let result = match answer.status() {
            status if status.is_success() => taken(answer).await,
            status => Err(refused(status, answer.headers())),
        };
        Answer { is_dashboard, result }
    }
}

#[cfg(feature = "control")]
impl HttpSender {
    /// Sends nothing but a header, and tells the headers of the answer; `None` if there was none.
    pub(super) async fn ask(&self, question: HeaderValue) -> Option<HeaderMap> {
        use poolscope_semconv::protocol::control::HEADER;
        let mut headers = self.headers.clone();
        headers.insert(HEADER, question);
        let request = self.client.post(&self.url).headers(headers).body(self.packed(Bytes::new()));
        let answer = request.send().await.ok().filter(|answer| answer.status().is_success())?;
        Some(answer.headers().clone())
    }
}

/// Reads what a receiver says of a request that it took.
async fn taken(mut answer: reqwest::Response) -> Result<Taken, Refused> {
    let is_json = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.as_bytes().get(..JSON.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(JSON));
    let mut body = BytesMut::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                return Err(Refused::for_good("its answer is too large"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Err(Refused::unanswered(&error.without_url())),
        }
    }
    let taken = match is_json && !body.is_empty() {
        true => Taken::from_json(&body),
        false => Message::decode(body.freeze()).ok().map(Taken::new),
    };
    // Something else listens there, such as a web server that shows everybody the same page.
    taken.ok_or_else(|| Refused::for_good("its answer is not OTLP"))
}

fn refused(status: StatusCode, headers: &HeaderMap) -> Refused {
    let is_transient = is_transient_http(status);
    let pause = is_transient.then(|| retry_after(headers, SystemTime::now())).flatten();
    let hint = match status.is_redirection() {
        true => {
            ", which is followed only to the same scheme, host and port; set the endpoint to where it leads"
        }
        false => "",
    };
    Refused {
        is_transient,
        is_answered: true,
        is_tls: false,
        pause,
        reason: format!("HTTP status {status}{hint}"),
    }
}

/// Follows the redirects that keep the method and the body; the others would turn the request into one without. The headers
/// may be secrets, so they go to nobody else than who was configured.
fn redirect(attempt: Attempt<'_>) -> Action {
    let keeps = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let is_same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    match keeps && is_same && attempt.previous().len() <= MAX_REDIRECTS {
        true => attempt.follow(),
        false => attempt.stop(),
    }
}

#[cfg(feature = "otlp-tls")]
fn tls(client: reqwest::ClientBuilder, target: &Target) -> reqwest::Result<reqwest::ClientBuilder> {
    let client = match &target.tls.roots {
        Some(pem) => client.tls_certs_only(reqwest::Certificate::from_pem_bundle(pem)?),
        None => client,
    };
    Ok(match &target.tls.identity {
        Some((chain, key)) => {
            let pem = [key.as_slice(), b"\n", chain].concat();
            client.identity(reqwest::Identity::from_pem(&pem)?)
        }
        None => client,
    })
}

/// True if an answer comes from the dashboard, which wants to be fed every second.
pub(super) fn is_dashboard(headers: &HeaderMap) -> bool {
    headers.contains_key(DASHBOARD_HEADER)
}
