//! Asks the query API over HTTP: one connection that is kept, nothing followed, everything bounded.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, USER_AGENT,
};
use http::response::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::{Answer, Refusal, Series};
use super::config::Prometheus;
use super::problem::Problem;
use super::tls;
use crate::app::VERSION;
use crate::asking::{self, BodyError, Http};
use crate::error::Error;
use crate::otlp::{InflateError, gunzip};

/// Largest file of a token or password.
const MAX_SECRET_BYTES: usize = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    http: Http<Full<Bytes>>,
    config: Prometheus,
    /// Address of the API, to which the path of a kind of query is added.
    api: String,
}

/// An answer, and how large it was.
#[derive(Debug)]
pub(super) struct Answered<R> {
    pub(super) result: R,
    pub(super) warnings: Vec<String>,
    pub(super) bytes: usize,
}

impl Client {
    /// A client for the address of the configuration; fails if there is none, or if a file can't be used.
    pub(super) fn new(config: &Prometheus) -> Result<Self, Error> {
        let base = config.prometheus_url.as_ref().ok_or(Error::NoPrometheus)?;
        let http = asking::client(tls::client(config).map_err(Error::PrometheusFile)?);
        Ok(Self { http, config: config.clone(), api: format!("{base}/api/v1") })
    }

    /// Asks for a query at a moment; without one, it is now for Prometheus.
    pub(super) async fn query<R: DeserializeOwned + Send + 'static>(
        &self,
        query: &str,
        at_ms: Option<u64>,
    ) -> Result<Answered<R>, Problem> {
        let at = at_ms.map(|at_ms| ("time", seconds(at_ms)));
        self.ask("query", self.form(query, at.as_slice())).await
    }

    /// Asks for the values of series, one for each step.
    pub(super) async fn range(
        &self,
        query: &str,
        (from_ms, to_ms, step_ms): (u64, u64, u64),
    ) -> Result<Answered<Vec<Series>>, Problem> {
        let times = [("start", seconds(from_ms)), ("end", seconds(to_ms)), ("step", seconds(step_ms))];
        self.ask("query_range", self.form(query, &times)).await
    }

    async fn ask<R: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        form: String,
    ) -> Result<Answered<R>, Problem> {
        let limit = self.config.timeout();
        let request = self.request(path, form).await?;
        let answer = async {
            let response = self.http.request(request).await.map_err(|error| unreached(&error))?;
            self.body(response).await
        };
        let (head, body) = timeout(limit, answer).await.map_err(|_| Problem::Slow(limit.as_secs()))??;
        let max = self.config.prometheus_max_bytes;
        // An answer of megabytes takes longer to inflate and to read than others should wait.
        let read = tokio::task::spawn_blocking(move || {
            let body = inflated(&head, body, max)?;
            Ok((read::<R>(head.status, &body)?, body.len()))
        });
        let (answer, bytes) = read.await.map_err(|error| Problem::stranger(&error.to_string()))??;
        Ok(Answered { result: answer.data.result, warnings: answer.warnings, bytes })
    }

    fn form(&self, query: &str, times: &[(&str, String)]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", query);
        form.append_pair("timeout", &format!("{}s", self.config.prometheus_timeout_s));
        // One more than may be, so that too many are seen. Older Prometheus does not know it and answers with all.
        form.append_pair("limit", &self.config.prometheus_max_series.saturating_add(1).to_string());
        // VictoriaMetrics would otherwise answer as of half a minute ago. Others do not know it and pass it over.
        form.append_pair("nocache", "1");
        form.extend_pairs(times);
        form.finish()
    }

    async fn request(&self, path: &str, form: String) -> Result<Request<Full<Bytes>>, Problem> {
        let mut request = Request::post(format!("{}/{path}", self.api))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip")
            .header(USER_AGENT, format!("poolscope-dashboard/{VERSION}"))
            .body(Full::from(form))
            .map_err(|error| Problem::Unreached(error.to_string()))?;
        let headers = request.headers_mut();
        if let Some(authorization) = self.authorization().await? {
            headers.insert(AUTHORIZATION, authorization);
        }
        for header in &self.config.prometheus_header {
            headers.append(&header.name, header.value.clone());
        }
        Ok(request)
    }

    /// Files are read anew for each question, so that a secret may change at any time.
    async fn authorization(&self) -> Result<Option<HeaderValue>, Problem> {
        let config = &self.config;
        let secret =
            async |given: Option<&super::config::Credential>, file: Option<&Path>| match (given, file) {
                (Some(given), _) => Ok(Some(given.reveal().to_owned())),
                (None, Some(file)) => secret_of(file).await.map(Some),
                (None, None) => Ok(None),
            };
        let text = if let Some(user) = &config.prometheus_user {
            let file = config.prometheus_password_file.as_deref();
            let password = secret(config.prometheus_password.as_ref(), file).await?.unwrap_or_default();
            Some(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
        } else {
            let file = config.prometheus_token_file.as_deref();
            secret(config.prometheus_token.as_ref(), file).await?.map(|token| format!("Bearer {token}"))
        };
        text.map(|text| {
            let mut value = HeaderValue::try_from(text)
                .map_err(|_| Problem::Secret("it holds what can't stand in a header".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        })
        .transpose()
    }

    /// The body as it came, of at most so many bytes.
    async fn body(&self, response: Response<Incoming>) -> Result<(Parts, BytesMut), Problem> {
        let (head, body) = response.into_parts();
        if head.status.is_redirection() {
            let to = head.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            return Err(Problem::Elsewhere(crate::words::cut_name(to, 200).into_string()));
        }
        let max = self.config.prometheus_max_bytes;
        let body = asking::body(body, max).await.map_err(|error| match error {
            BodyError::Broken(error) => Problem::Unreached(sources(&error)),
            BodyError::TooLarge => Problem::TooLarge(max),
        })?;
        Ok((head, body))
    }
}

/// A body of at most so many bytes after decompression.
fn inflated(head: &Parts, body: BytesMut, max_bytes: usize) -> Result<Bytes, Problem> {
    if head.headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding != "gzip") {
        return Ok(body.freeze());
    }
    match gunzip(&body, max_bytes) {
        Ok(inflated) => Ok(inflated.into()),
        Err(InflateError::TooLarge(_)) => Err(Problem::TooLarge(max_bytes)),
        Err(error) => Err(Problem::stranger(&error.to_string())),
    }
}

fn read<R: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<Answer<R>, Problem> {
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|error| Problem::stranger(&not_ours(body, &error)));
    }
    // The API tells what is wrong with a query; whoever stands before it does not speak so.
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Err(Problem::query(refusal.error_type.as_deref(), &refusal.error))
        }
        _ => Err(Problem::Refused(status)),
    }
}

/// What an answer is that can't be read.
fn not_ours(body: &[u8], error: &serde_json::Error) -> String {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => "it sends a page of HTML".to_owned(),
        None => "it sends nothing".to_owned(),
        _ => format!("its answer can't be read ({error})"),
    }
}

/// A time as the API has it.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

async fn secret_of(file: &Path) -> Result<String, Problem> {
    let told = |why: &str| Problem::Secret(format!("{}: {why}", file.display()));
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    let text = read.map_err(|error| told(&error.to_string()))?.map_err(|error| told(&error.to_string()))?;
    match text.trim() {
        "" => Err(told("it is empty")),
        text if text.len() > MAX_SECRET_BYTES => Err(told("it is larger than 16 kB")),
        text => Ok(text.to_owned()),
    }
}

fn unreached(error: &hyper_util::client::legacy::Error) -> Problem {
    let told = sources(error);
    if told.contains("certificate") { Problem::Untrusted(told) } else { Problem::Unreached(told) }
}

/// The innermost causes: the outer ones only say that something failed.
fn sources(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    crate::words::cut_name(&innermost.to_string(), 300).into_string()
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let part = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            let is_there = digit <= three.len();
            text.push(if is_there { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_matrix(status: u16, body: &str) -> Result<Answer<Vec<Series>>, Problem> {
        read(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        let told = |status, body| read_matrix(status, body).unwrap_err().to_string();
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected <"}"#;
        for (status, body, words) in [
            (200, "<!doctype html><title>Grafana</title>", "a page of HTML"),
            (200, "", "it sends nothing"),
            (200, "{}", "can't be read"),
            (400, refused, "(bad_data): parse error"),
            (422, refused, "(bad_data): parse error"),
            (401, "", "--prometheus-token-file"),
            (401, refused, "--prometheus-token-file"),
            (403, "no", "tenant"),
            (404, "404 page not found", "/api/v1/query"),
            (405, "", "POST"),
            (429, "", "--prometheus-interval"),
            (502, "<html>", "not well"),
        ] {
            let sentence = told(status, body);
            assert!(sentence.contains(words), "{status}: {sentence}");
        }
    }

    #[tokio::test]
    async fn a_secret_is_read_anew_from_its_file() {
        let file = std::env::temp_dir().join(format!("poolscope-token-{}", std::process::id()));
        std::fs::write(&file, "one\n").unwrap();
        let config = Prometheus {
            prometheus_url: Some("http://127.0.0.1:1".parse().unwrap()),
            prometheus_token_file: Some(file.clone()),
            ..Prometheus::default()
        };
        let client = Client::new(&config).unwrap();
        assert_eq!(client.authorization().await.unwrap().unwrap(), "Bearer one");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(client.authorization().await.unwrap().unwrap(), "Bearer two");
        std::fs::write(&file, " ").unwrap();
        assert!(matches!(client.authorization().await, Err(Problem::Secret(_))));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(client.authorization().await, Err(Problem::Secret(_))));
    }
}
