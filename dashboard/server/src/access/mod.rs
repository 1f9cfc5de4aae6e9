//! Who may look and who may send: what was decided at the start, and who has logged in since.

mod login;
mod origin;
mod secrets;
mod sessions;
mod tries;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use http::{HeaderMap, Uri, header};

pub(crate) use login::LoginRule;
pub(crate) use origin::{Asker, asks_from_elsewhere, comes_from_elsewhere, comes_from_own_page};
pub(crate) use sessions::{Sessions, Visit};
pub(crate) use tries::Tries;

use self::login::login_rule;
use self::secrets::{LOGIN_TOKEN, SCRAPE_KEY, keys, keys_in, one_in, one_of};
use crate::config::{self, Config, Login, Secret};
use crate::prometheus::DataSource;

/// The header in which OTLP senders show their key.
const KEY_HEADER: &str = "x-otlp-api-key";

/// Why the rules of access can't be put in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A file with a token or key can't be used.
    #[error("--{name}-file {} can't be used: {problem}", file.display())]
    File {
        /// What it holds.
        name: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Both a value and a file were given.
    #[error("--{0} and --{0}-file are both given; one of them is enough")]
    Both(&'static str),
    /// A second key without a first.
    #[error("--otlp-api-key-secondary is given without --otlp-api-key")]
    SecondaryAlone,
    /// The page would be open to everybody who reaches it.
    #[error(
        "without a login everybody who reaches {0} would see everything; add --allow-anonymous if that is meant, \
         or leave --login none out"
    )]
    Anonymous(SocketAddr),
    /// Everybody could hold breakers.
    #[error(
        "with --allow-control a login is always asked for, also on loopback, so --login none can't be meant: leave one of \
         them out"
    )]
    ControlWithoutLogin,
    /// Nobody would ask for commands.
    #[error(
        "--allow-control needs applications that send their metrics here, and with --source prometheus none does: leave one \
         of them out"
    )]
    ControlWithoutSenders,
    /// It is no address of a page.
    #[error("--public-url {0} is not like https://dash.example.com: http or https, a host, no path")]
    PublicUrl(String),
    /// The system has no random numbers.
    #[error("no token can be made: {0}")]
    Random(#[from] getrandom::Error),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Access {
    login: Option<LoginRule>,
    scrape_key: RwLock<Option<Secret>>,
    keys: RwLock<Arc<[Secret]>>,
    key_file: Option<PathBuf>,
    scrape_key_file: Option<PathBuf>,
    /// Only where a login is asked for.
    token_file: Option<PathBuf>,
    pub(crate) public: Option<PublicUrl>,
    pub(crate) warnings: Vec<String>,
}

/// The address by which browsers reach the page.
#[derive(Debug, Clone)]
pub(crate) struct PublicUrl {
    pub(crate) url: String,
    pub(crate) host: String,
    is_https: bool,
}

impl PublicUrl {
    fn parse(text: &str) -> Result<Self, AccessError> {
        let wrong = || AccessError::PublicUrl(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let is_https = uri.scheme_str() == Some("https");
        let host = uri.host().filter(|_| is_plain && (is_https || uri.scheme_str() == Some("http")));
        let host = host.ok_or_else(wrong)?.to_owned();
        Ok(Self { url: text.trim_end_matches('/').to_owned(), host, is_https })
    }
}

impl Access {
    /// Puts the rules in force for listeners at these addresses.
    pub(crate) fn new(config: &Config, http: SocketAddr, otlp: [SocketAddr; 2]) -> Result<Self, AccessError> {
        let config::Access { login, allow_anonymous, allow_control, public_url, .. } = &config.access;
        let public = public_url.as_deref().map(PublicUrl::parse).transpose()?;
        let has_tls = config.tls.tls_cert.is_some();
        let is_secure = has_tls || public.as_ref().is_some_and(|public| public.is_https);
        let mut warnings = Vec::new();
        let is_open = !is_loopback(http);
        // Who gives the page a name means others to reach it, as through a proxy on this machine.
        let is_named = public.is_some() || !config.allowed_host.is_empty();
        let asks = match login {
            Login::Token => true,
            Login::Auto => is_open || is_named || *allow_control,
            Login::None if *allow_control => return Err(AccessError::ControlWithoutLogin),
            Login::None => false,
        };
        if *allow_control && config.prometheus.source == DataSource::Prometheus {
            return Err(AccessError::ControlWithoutSenders);
        }
        if is_open && !asks {
            if !allow_anonymous {
                return Err(AccessError::Anonymous(http));
            }
            warnings.push(format!("everybody who reaches {http} sees everything: there is no login"));
        }
        if is_named && !is_open && !asks {
            warnings.push(format!(
                "everybody who reaches {http} by way of a proxy sees everything that the proxy shows them: there is no login"
            ));
        }
        if is_open && asks && !is_secure {
            warnings.push(format!(
                "the login at {http} travels without TLS: who listens on the way can log in too; \
                 give --tls-cert and --tls-key, or --public-url where a proxy has TLS"
            ));
        }
        let login =
            if asks { Some(login_rule(&config.access, http.port(), has_tls, is_secure)?) } else { None };
        let scrape_key = one_of(SCRAPE_KEY, &config.access.scrape_key, &config.access.scrape_key_file)?;
        let mut access = Self {
            token_file: config.access.login_token_file.clone().filter(|_| login.is_some()),
            login,
            scrape_key: RwLock::new(scrape_key),
            scrape_key_file: config.access.scrape_key_file.clone(),
            keys: RwLock::new(keys(&config.access)?),
            key_file: config.access.otlp_api_key_file.clone(),
            public,
            warnings,
        };
        for address in otlp.into_iter().filter(|address| !is_loopback(*address)) {
            if !access.wants_key() && config.tls.otlp_client_ca.is_none() {
                access.warnings.push(format!(
                    "everybody who reaches {address} can send: there is no key; give --otlp-api-key-file"
                ));
            }
        }
        Ok(access)
    }

    pub(crate) fn login(&self) -> Option<&LoginRule> {
        self.login.as_ref()
    }

    /// True if senders have to show a key.
    pub(crate) fn wants_key(&self) -> bool {
        !self.keys().is_empty()
    }

    fn keys(&self) -> Arc<[Secret]> {
        read_lock(&self.keys).clone()
    }

    /// True if a sender may send. Each key is compared, so that the time tells nothing about which it was.
    pub(crate) fn may_send(&self, headers: &HeaderMap) -> bool {
        let keys = self.keys();
        if keys.is_empty() {
            return true;
        }
        let shown = headers.get(KEY_HEADER).and_then(|value| value.to_str().ok()).or_else(|| bearer(headers));
        shown.is_some_and(|shown| keys.iter().fold(false, |found, key| found | key.is(shown)))
    }

    /// True if whoever shows this may read `/metrics`.
    pub(crate) fn may_scrape(&self, headers: &HeaderMap) -> bool {
        match &*read_lock(&self.scrape_key) {
            Some(key) => bearer(headers).is_some_and(|shown| key.is(shown)),
            None => self.login.is_none(),
        }
    }

    /// Files that are read again when they change.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        [&self.key_file, &self.scrape_key_file, &self.token_file].into_iter().flatten().cloned()
    }

    /// Reads the keys and the token again; if something is wrong with one file, all that is in force stays.
    pub(crate) fn read_again(&self) -> Result<(), AccessError> {
        let keys = self.key_file.as_deref().map(keys_in).transpose()?;
        let scrape_key = self.scrape_key_file.as_deref().map(|file| one_in(SCRAPE_KEY, file)).transpose()?;
        let token = self.token_file.as_deref().map(|file| one_in(LOGIN_TOKEN, file)).transpose()?;
        if let Some(keys) = keys {
            *write_lock(&self.keys) = keys;
        }
        if let Some(key) = scrape_key {
            *write_lock(&self.scrape_key) = Some(key);
        }
        if let (Some(token), Some(login)) = (token, &self.login) {
            login.renew(token);
        }
        Ok(())
    }
}

fn read_lock<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write_lock<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// What follows `Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, shown) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}

/// True for 127.0.0.0/8 and ::1, also where they are written as the other kind.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests;
