//! Asks the read API: GET, nothing followed, everything bounded.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use poolscope_wire::{ApiError, Status, WIRE_VERSION, path};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Problem;
use super::sse::Frames;
use super::text::plain;
use crate::app::VERSION;
use crate::asking::{self, BodyError, Http};
use crate::certificates::PemFile;
use crate::prometheus::tls;

/// For a whole answer.
const ANSWER: Duration = Duration::from_secs(15);
/// The stream says something each second; after so long it is lost.
const SILENCE: Duration = Duration::from_secs(10);
/// Of one answer or one message: some times what the largest store says.
pub(super) const MAX_BYTES: usize = 128 * 1024 * 1024;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: Http<Empty<Bytes>>,
    /// Without a slash at the end.
    url: String,
    authorization: Option<HeaderValue>,
}

impl Client {
    pub(super) fn new(url: &str, token: Option<&str>, ca: Option<&Path>) -> Result<Self, Problem> {
        let wrong = || Problem::Url(plain(url));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_http = uri.scheme_str().is_some_and(|scheme| scheme == "http" || scheme == "https");
        if !is_http || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(wrong());
        }
        let authorization = token
            .map(|token| {
                let what = || Problem::File("the login token holds what can't stand in a header".to_owned());
                let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| what())?;
                value.set_sensitive(true);
                Ok::<_, Problem>(value)
            })
            .transpose()?;
        let ca = ca.map(|path| PemFile { flag: "--ca", path });
        let http = asking::client(tls::trusting(ca, None).map_err(|error| Problem::File(error.to_string()))?);
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), authorization })
    }

    /// Whom it asks.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The server about itself; also finds out whether it speaks as we do.
    pub(super) async fn status(&self) -> Result<Status, Problem> {
        let value: serde_json::Value = self.get(path::STATUS).await?;
        let theirs = value["wire_version"].as_u64();
        if let Some(theirs) = theirs.filter(|theirs| *theirs != u64::from(WIRE_VERSION)) {
            let version = plain(value["version"].as_str().unwrap_or("unknown"));
            return Err(Problem::OtherVersion { url: self.url.clone(), version, theirs, ours: WIRE_VERSION });
        }
        serde_json::from_value(value).map_err(|error| self.stranger(&error.to_string()))
    }

    /// What stands at a path of the API.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        let answer = async {
            let response = self.ask(path, "application/json").await?;
            self.body(response.into_body()).await
        };
        let slow =
            |_| Problem::Unreached(self.url.clone(), format!("no answer within {} s", ANSWER.as_secs()));
        let body = timeout(ANSWER, answer).await.map_err(slow)??;
        serde_json::from_slice(&body).map_err(|error| self.unreadable(&body, &error))
    }

    /// The live stream, from now on.
    pub(super) async fn stream(&self) -> Result<Stream, Problem> {
        let lost = |_| Problem::Unreached(self.url.clone(), "no answer to the live stream".to_owned());
        let response = timeout(ANSWER, self.ask(path::STREAM, "text/event-stream")).await.map_err(lost)??;
        Ok(Stream { url: self.url.clone(), body: response.into_body(), frames: Frames::new(MAX_BYTES) })
    }

    async fn ask(&self, path: &str, accept: &'static str) -> Result<Response<Incoming>, Problem> {
        let mut request = Request::get(format!("{}{path}", self.url))
            .header(ACCEPT, accept)
            .header(USER_AGENT, format!("poolscope-dashboard/{VERSION}"))
            .body(Empty::new())
            .map_err(|_| Problem::Url(self.url.clone()))?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let answer = self.http.request(request).await;
        let response = answer.map_err(|error| Problem::unanswered(&self.url, &error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    async fn refusal(&self, response: Response<Incoming>) -> Problem {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            let url = self.url.clone();
            let has_token = self.authorization.is_some();
            return if has_token { Problem::WrongToken(url) } else { Problem::NoToken(url) };
        }
        let body = self.body(response.into_body()).await.unwrap_or_default();
        match serde_json::from_slice::<ApiError>(&body) {
            Ok(told) => Problem::Refused(self.url.clone(), status, plain(&told.error)),
            Err(_) => self.stranger(&format!("it answers {status}")),
        }
    }

    async fn body(&self, body: Incoming) -> Result<BytesMut, Problem> {
        asking::body(body, MAX_BYTES).await.map_err(|error| match error {
            BodyError::Broken(error) => Problem::unanswered(&self.url, &error),
            BodyError::TooLarge => self.stranger("its answer does not end"),
        })
    }

    fn stranger(&self, why: &str) -> Problem {
        Problem::Stranger(self.url.clone(), plain(why))
    }

    fn unreadable(&self, body: &[u8], error: &serde_json::Error) -> Problem {
        match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'<') => self.stranger("it sends a page of HTML"),
            None => self.stranger("it sends nothing"),
            _ => self.stranger(&error.to_string()),
        }
    }
}

/// An open live stream.
#[derive(Debug)]
pub(super) struct Stream {
    url: String,
    body: Incoming,
    frames: Frames,
}

impl Stream {
    /// The next message. Every error is the end of this stream.
    pub(super) async fn next(&mut self) -> Result<poolscope_wire::ServerMessage, Problem> {
        loop {
            if let Some(message) = self.frames.next() {
                let read = serde_json::from_slice(&message);
                return read.map_err(|error| Problem::Stranger(self.url.clone(), error.to_string()));
            }
            let lost = |why: &str| Problem::Unreached(self.url.clone(), why.to_owned());
            let frame = timeout(SILENCE, self.body.frame()).await.map_err(|_| lost("it is silent"))?;
            let frame = frame.ok_or_else(|| lost("the live stream ended"))?;
            let frame = frame.map_err(|error| Problem::unanswered(&self.url, &error))?;
            if let Ok(data) = frame.into_data()
                && !self.frames.push(&data)
            {
                return Err(lost("a message of the live stream does not end"));
            }
        }
    }
}
