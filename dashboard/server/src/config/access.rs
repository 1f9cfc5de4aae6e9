//! Who may look and who may send.

use std::path::PathBuf;

use super::{MAX_KEEP_S, Secret, within};

/// Seconds that a login lasts: a working day and the evening after it.
pub const DEFAULT_LOGIN_LIFE_S: u64 = 24 * 3600;

/// Reads what the environment says of what is on or off. What is not one of these is not thereby on.
fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match &*text.to_ascii_lowercase() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err("true or false is wanted"),
    }
}

/// When a browser has to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Login {
    /// With the token, unless the page is on loopback and has no name but loopback's
    #[default]
    Auto,
    /// With the token, wherever the page is
    Token,
    /// Never
    None,
}

/// Who may look and who may send. Keys and tokens are best given by file or environment: a flag stands in the list of
/// processes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Access")]
pub struct Access {
    /// When a browser has to log in
    #[arg(long, env = "POOLSCOPE_LOGIN", value_enum, default_value_t, value_name = "WHEN")]
    pub login: Login,
    /// Lets `--login none` stand although the page is not on loopback: everybody who reaches it sees everything
    #[arg(long, env = "POOLSCOPE_ALLOW_ANONYMOUS", value_parser = on_or_off)]
    pub allow_anonymous: bool,
    /// Offers to hold breakers open or closed for a time, of applications that allow it too; asks for a login always
    #[arg(long, env = "POOLSCOPE_ALLOW_CONTROL", value_parser = on_or_off)]
    pub allow_control: bool,
    /// Token to log in with; without one, a new one is made at each start and printed as a link
    #[arg(long, env = "POOLSCOPE_LOGIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub login_token: Option<Secret>,
    /// File that holds the token to log in with; read again when it changes, and logins by the one before end
    #[arg(long, env = "POOLSCOPE_LOGIN_TOKEN_FILE", value_name = "FILE")]
    pub login_token_file: Option<PathBuf>,
    /// Seconds that a login lasts
    #[arg(long = "login-life", env = "POOLSCOPE_LOGIN_LIFE", default_value_t = DEFAULT_LOGIN_LIFE_S,
        value_parser = within::<1, MAX_KEEP_S>, value_name = "SECONDS")]
    pub login_life_s: u64,
    /// Address by which browsers reach the page when it is another, as behind a proxy: `https://dash.example.com`
    #[arg(long, env = "POOLSCOPE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Key that OTLP senders have to show, in the header `x-otlp-api-key` or as `authorization: Bearer`
    #[arg(long, env = "POOLSCOPE_OTLP_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub otlp_api_key: Option<Secret>,
    /// A second key that is taken as well, so that keys can be changed without a gap
    #[arg(long, env = "POOLSCOPE_OTLP_API_KEY_SECONDARY", hide_env_values = true, value_name = "KEY")]
    pub otlp_api_key_secondary: Option<Secret>,
    /// File that holds the keys of OTLP senders, one or two, one a line; read again when it changes
    #[arg(long, env = "POOLSCOPE_OTLP_API_KEY_FILE", value_name = "FILE")]
    pub otlp_api_key_file: Option<PathBuf>,
    /// Key that opens `/metrics` to Prometheus, as `authorization: Bearer`, and nothing else
    #[arg(long, env = "POOLSCOPE_SCRAPE_KEY", hide_env_values = true, value_name = "KEY")]
    pub scrape_key: Option<Secret>,
    /// File that holds the key of Prometheus; read again when it changes
    #[arg(long, env = "POOLSCOPE_SCRAPE_KEY_FILE", value_name = "FILE")]
    pub scrape_key_file: Option<PathBuf>,
}

/// Certificates, in PEM; read again when they change or at SIGHUP.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct Tls {
    /// File with the certificate of this server and those between it and the root; turns TLS on for all listeners
    #[arg(long, env = "POOLSCOPE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// File with the key of the certificate
    #[arg(long, env = "POOLSCOPE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// File with the certificates that sign those of OTLP senders: who has none can't send
    #[arg(long, env = "POOLSCOPE_OTLP_CLIENT_CA", value_name = "FILE")]
    pub otlp_client_ca: Option<PathBuf>,
}
