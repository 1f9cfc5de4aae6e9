//! What the tables of the contract have in common.

/// How firm a definition is, in OpenTelemetry's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    /// It will not change.
    Stable,
    /// It will hardly change.
    ReleaseCandidate,
    /// It may change.
    Development,
}

impl Stability {
    /// The word that OpenTelemetry has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::ReleaseCandidate => "release_candidate",
            Self::Development => "development",
        }
    }
}

/// Who defined a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// OpenTelemetry's semantic conventions, for everybody.
    OpenTelemetry,
    /// OpenTelemetry's semantic conventions for .NET, followed here because nobody else has a word for it.
    DotNet,
    /// Poolscope.
    Poolscope,
}

impl Origin {
    /// Its name for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenTelemetry => "OpenTelemetry",
            Self::DotNet => ".NET",
            Self::Poolscope => "Poolscope",
        }
    }
}

/// Whether something is sent unasked, in OpenTelemetry's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Always.
    Required,
    /// Always, unless somebody turns it off.
    Recommended,
    /// Only where somebody asks for it. To install Poolscope is to ask.
    OptIn,
}

impl Level {
    /// The word that OpenTelemetry has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Recommended => "recommended",
            Self::OptIn => "opt_in",
        }
    }
}

/// One value of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueDef {
    /// The text that travels.
    pub text: &'static str,
    /// What it means.
    pub sentence: &'static str,
}

/// Which values an attribute may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Any of its type.
    Any,
    /// These and no others.
    Closed(&'static [ValueDef]),
    /// These, and others where they say more.
    Open(&'static [ValueDef]),
}

/// The text of a documentation comment, of which each line begins with a space.
pub(crate) const fn sentence(doc: &'static str) -> &'static str {
    doc.trim_ascii()
}
