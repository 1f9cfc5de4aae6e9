//! Where Prometheus is and who asks it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use crate::config::{at_least, defaults, within};

/// Seconds from one question to the next: what Prometheus scrapes is rarely newer.
pub const DEFAULT_INTERVAL_S: u64 = 5;
/// Seconds that an answer may take.
pub const DEFAULT_TIMEOUT_S: u64 = 10;
/// Series of one answer: those of about 400 pools.
pub const DEFAULT_MAX_SERIES: usize = 50_000;
/// Bytes of one answer after decompression: what so many series take.
pub const DEFAULT_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Where the figures are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum DataSource {
    /// Services and Collectors send them here
    #[default]
    Otlp,
    /// They are asked from Prometheus, Mimir, Thanos or VictoriaMetrics
    Prometheus,
}

/// How Prometheus, or what speaks like it, is asked. Token and password are best given by file or environment: a flag
/// stands in the list of processes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Source; what begins with --prometheus goes with --source prometheus")]
pub struct Prometheus {
    /// Where the figures are from
    #[arg(long, env = "POOLSCOPE_SOURCE", value_enum, default_value_t, value_name = "SOURCE")]
    pub source: DataSource,
    /// Address of Prometheus, with what stands before `/api/v1` in its paths: `https://mimir.example/prometheus`
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_URL", value_name = "URL")]
    pub prometheus_url: Option<PrometheusUrl>,
    /// Seconds from one question to the next, which is the resolution of the charts too
    #[arg(long = "prometheus-interval", env = "POOLSCOPE_PROMETHEUS_INTERVAL", default_value_t = DEFAULT_INTERVAL_S,
        value_parser = within::<1, 600>, value_name = "SECONDS")]
    pub prometheus_interval_s: u64,
    /// Seconds that an answer may take
    #[arg(long = "prometheus-timeout", env = "POOLSCOPE_PROMETHEUS_TIMEOUT", default_value_t = DEFAULT_TIMEOUT_S,
        value_parser = within::<1, 600>, value_name = "SECONDS")]
    pub prometheus_timeout_s: u64,
    /// Only series with this label: `namespace=shop`; can be given several times
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_LABEL", value_delimiter = ',', value_name = "NAME=VALUE")]
    pub prometheus_label: Vec<LabelIs>,
    /// Label that tells replicas of Prometheus apart, of which one is shown; can be given several times
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_REPLICA_LABEL", value_delimiter = ',',
        value_parser = label_name, value_name = "NAME")]
    pub prometheus_replica_label: Vec<String>,
    /// Header of each question: `X-Scope-OrgID: team`; can be given several times, in the environment with `;` between
    #[arg(
        long,
        env = "POOLSCOPE_PROMETHEUS_HEADER",
        value_delimiter = ';',
        hide_env_values = true,
        value_name = "NAME: VALUE"
    )]
    pub prometheus_header: Vec<Header>,
    /// Token, sent as `Authorization: Bearer`
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_TOKEN", hide_env_values = true, value_name = "TOKEN",
        conflicts_with_all = ["prometheus_token_file", "prometheus_user"])]
    pub prometheus_token: Option<Credential>,
    /// File that holds the token; read again when it changes
    #[arg(
        long,
        env = "POOLSCOPE_PROMETHEUS_TOKEN_FILE",
        value_name = "FILE",
        conflicts_with = "prometheus_user"
    )]
    pub prometheus_token_file: Option<PathBuf>,
    /// User, sent with the password as `Authorization: Basic`
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_USER", value_name = "NAME")]
    pub prometheus_user: Option<String>,
    /// Password of the user
    #[arg(
        long,
        env = "POOLSCOPE_PROMETHEUS_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        requires = "prometheus_user",
        conflicts_with = "prometheus_password_file"
    )]
    pub prometheus_password: Option<Credential>,
    /// File that holds the password; read again when it changes
    #[arg(
        long,
        env = "POOLSCOPE_PROMETHEUS_PASSWORD_FILE",
        requires = "prometheus_user",
        value_name = "FILE"
    )]
    pub prometheus_password_file: Option<PathBuf>,
    /// File with the certificates that sign that of Prometheus, in PEM; without, those that the system trusts
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_CA", value_name = "FILE")]
    pub prometheus_ca: Option<PathBuf>,
    /// File with the certificate that this server shows to Prometheus, in PEM
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_CERT", value_name = "FILE", requires = "prometheus_key")]
    pub prometheus_cert: Option<PathBuf>,
    /// File with the key of that certificate
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_KEY", value_name = "FILE", requires = "prometheus_cert")]
    pub prometheus_key: Option<PathBuf>,
    /// Series of one answer; one that has more is refused and told
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_MAX_SERIES", default_value_t = DEFAULT_MAX_SERIES,
        value_parser = at_least::<1>, value_name = "N")]
    pub prometheus_max_series: usize,
    /// Bytes of one answer after decompression
    #[arg(long, env = "POOLSCOPE_PROMETHEUS_MAX_BYTES", default_value_t = DEFAULT_MAX_BYTES,
        value_parser = at_least::<1024>, value_name = "BYTES")]
    pub prometheus_max_bytes: usize,
}

impl Default for Prometheus {
    fn default() -> Self {
        defaults()
    }
}

impl Prometheus {
    /// The flag of a setting that says how Prometheus is to be asked, where it is not asked at all.
    pub(crate) fn unasked(&self) -> Option<&'static str> {
        if self.source == DataSource::Prometheus {
            return None;
        }
        let given = [
            ("--prometheus-url", self.prometheus_url.is_some()),
            ("--prometheus-interval", self.prometheus_interval_s != DEFAULT_INTERVAL_S),
            ("--prometheus-timeout", self.prometheus_timeout_s != DEFAULT_TIMEOUT_S),
            ("--prometheus-label", !self.prometheus_label.is_empty()),
            ("--prometheus-replica-label", !self.prometheus_replica_label.is_empty()),
            ("--prometheus-header", !self.prometheus_header.is_empty()),
            ("--prometheus-token", self.prometheus_token.is_some()),
            ("--prometheus-token-file", self.prometheus_token_file.is_some()),
            ("--prometheus-user", self.prometheus_user.is_some()),
            ("--prometheus-password", self.prometheus_password.is_some()),
            ("--prometheus-password-file", self.prometheus_password_file.is_some()),
            ("--prometheus-ca", self.prometheus_ca.is_some()),
            ("--prometheus-cert", self.prometheus_cert.is_some()),
            ("--prometheus-key", self.prometheus_key.is_some()),
            ("--prometheus-max-series", self.prometheus_max_series != DEFAULT_MAX_SERIES),
            ("--prometheus-max-bytes", self.prometheus_max_bytes != DEFAULT_MAX_BYTES),
        ];
        given.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(self.prometheus_interval_s)
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.prometheus_timeout_s)
    }
}

/// Why a setting can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingError(&'static str);

/// Address of the API, without `/api/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusUrl(String);

impl PrometheusUrl {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PrometheusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PrometheusUrl {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let refused = |why| Err(SettingError(why));
        let Ok(uri) = text.parse::<Uri>() else { return refused("this is no URL") };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return refused("the URL has to begin with http:// or https://");
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return refused(
                "name the user by --prometheus-user and the password by --prometheus-password-file, not in the URL",
            );
        }
        // A slash in a password ends what is taken for host and port.
        if uri.host().is_some_and(|host| host != authority) && uri.port_u16().is_none() {
            return refused("the port of the URL is no number");
        }
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return refused("the URL is a host and a path, such as https://mimir.example/prometheus");
        }
        let base = text.trim_end_matches('/');
        Ok(Self(base.strip_suffix("/api/v1").unwrap_or(base).to_owned()))
    }
}

/// A label and the value that series must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelIs {
    pub(super) name: String,
    pub(super) value: String,
}

impl FromStr for LabelIs {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let (name, value) = text.split_once('=').ok_or(SettingError("write it as name=value"))?;
        Ok(Self { name: label_name(name)?, value: value.to_owned() })
    }
}

/// Reads the name of a label.
fn label_name(name: &str) -> Result<String, SettingError> {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit());
    let refused = SettingError("the name of a label has letters, digits and underscores");
    is_name.then(|| name.to_owned()).ok_or(refused)
}

/// A header that is sent with each question; its value may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ***", self.name)
    }
}

impl FromStr for Header {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let (name, value) = text.split_once(':').ok_or(SettingError("write it as `Name: value`"))?;
        let name = name.trim().parse().map_err(|_| SettingError("this is no name of a header"))?;
        let mut value: HeaderValue =
            value.trim().parse().map_err(|_| SettingError("this can't be the value of a header"))?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

/// A token or password; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for Credential {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        match text.trim() {
            "" => Err(SettingError("it is empty")),
            text => Ok(Self(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_what_stands_before_the_api_and_holds_no_password() {
        let url = |text: &str| text.parse::<PrometheusUrl>().map(|url| url.0);
        assert_eq!(url("http://127.0.0.1:9090/").unwrap(), "http://127.0.0.1:9090");
        assert_eq!(
            url("https://mimir.example/prometheus/api/v1").unwrap(),
            "https://mimir.example/prometheus"
        );
        assert_eq!(url("http://[::1]:9090/a@b").unwrap(), "http://[::1]:9090/a@b");
        assert_eq!(url("http://[::1]").unwrap(), "http://[::1]");
        let wrong =
            ["localhost:9090", "ftp://x", "http://me:secret@x", "http://me:sec/ret@x", "http://x/?a=b"];
        for wrong in wrong.into_iter().chain(["/path", ""]) {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        assert!(url("http://me:secret@x").unwrap_err().to_string().contains("--prometheus-user"));
    }

    #[test]
    fn a_setting_of_a_source_that_is_not_asked_is_found_whichever_it_is() {
        use clap::{Args as _, FromArgMatches as _};
        let command = || Prometheus::augment_args(clap::Command::new("settings"));
        let read = |args: Vec<String>| {
            let all = ["settings".to_owned()].into_iter().chain(args);
            Prometheus::from_arg_matches(&command().get_matches_from(all)).unwrap()
        };
        assert_eq!(read(Vec::new()).unasked(), None);
        for arg in command().get_arguments().filter(|arg| arg.get_id() != "source") {
            let flag = format!("--{}", arg.get_long().unwrap());
            let value = match &*flag {
                "--prometheus-url" => "http://localhost",
                "--prometheus-label" => "a=b",
                "--prometheus-header" => "a: b",
                "--prometheus-max-bytes" => "2000",
                "--prometheus-replica-label" => "replica",
                _ => "7",
            };
            let mut args = vec![format!("{flag}={value}")];
            // Some are refused alone; what they need comes later in the list.
            args.extend(match &*flag {
                "--prometheus-password" | "--prometheus-password-file" => {
                    Some("--prometheus-user=me".to_owned())
                }
                "--prometheus-cert" => Some("--prometheus-key=x".to_owned()),
                "--prometheus-key" => Some("--prometheus-cert=x".to_owned()),
                _ => None,
            });
            let found = read(args.clone()).unasked().unwrap_or_else(|| panic!("{flag}"));
            assert!(args.iter().any(|arg| arg.starts_with(found)), "{flag}: {found}");
            args.push("--source=prometheus".to_owned());
            assert_eq!(read(args).unasked(), None);
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let config = Prometheus {
            prometheus_token: Some("hush".parse().unwrap()),
            prometheus_header: vec!["X-Key: hush".parse().unwrap()],
            ..Prometheus::default()
        };
        let shown = format!("{config:?}");
        assert!(!shown.contains("hush") && shown.contains("x-key: ***"), "{shown}");
    }

    #[test]
    fn labels_and_headers_have_a_form() {
        assert!("cluster=eu=1".parse::<LabelIs>().is_ok_and(|label| label.value == "eu=1"));
        for wrong in ["cluster", "1x=y", "a-b=c", "=x", "a\"=c"] {
            assert!(wrong.parse::<LabelIs>().is_err(), "{wrong}");
        }
        for wrong in ["X-Scope-OrgID", "a b: c", "a: b\nc"] {
            assert!(wrong.parse::<Header>().is_err(), "{wrong}");
        }
    }
}
