//! Commands for breakers: how an application that takes some asks the dashboard for them, and what it is answered.
//!
//! Both travel as the value of one header ([`HEADER`], over gRPC a metadata key) of an export of metrics and of its answer,
//! as the fields of a form: printable ASCII, whatever the texts hold. An answer repeats the number of what it answers, so
//! that one that was recorded says nothing to a later question.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// Header by which an application asks for commands, and by which it gets them.
pub const HEADER: &str = "poolscope-control";
/// How long a breaker is held if nobody says.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(5 * 60);
/// Longest time that a breaker is held by one command.
pub const MAX_HOLD: Duration = Duration::from_secs(60 * 60);
/// Longest time that a question waits for a command.
pub const MAX_WAIT: Duration = Duration::from_secs(5);
/// Most characters of the text that says why.
pub const MAX_WHY: usize = 200;

/// Version of the form; another one is not read.
const VERSION: &str = "1";
/// Longest header that is read.
const MAX_BYTES: usize = 8 * 1024;
/// Longest list of breakers in a header; what is longer is left out.
const MAX_LIST: usize = 4 * 1024;

/// What a command wants of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Reject every call.
    ForceOpen,
    /// Let every call pass.
    ForceClosed,
    /// Let the breaker decide again.
    Automatic,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::ForceOpen, Self::ForceClosed, Self::Automatic];

    /// The text that travels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ForceOpen => "force_open",
            Self::ForceClosed => "force_closed",
            Self::Automatic => "automatic",
        }
    }

    /// The action of a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// A command for one breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Like no other command's.
    pub id: String,
    /// Name of the breaker.
    pub breaker: String,
    /// What is wanted.
    pub action: Action,
    /// After which time it is over, whatever happens.
    pub lasts: Duration,
    /// Who asked.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its id.
    pub id: String,
    /// How long it is in force from now on, or why it was refused, in one sentence.
    pub result: Result<Duration, String>,
}

/// An application asks for a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Name of the service.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// Like no other question of this instance.
    pub number: u64,
    /// How long the answer may wait for a command.
    pub wait: Duration,
    /// What became of the command before.
    pub done: Option<Done>,
    /// Names of the breakers that take commands. `None` if it does not say: there are too many to be named, or it is of a
    /// version that names none.
    pub takes: Option<BTreeSet<String>>,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Number of the question.
    pub number: u64,
    /// A command, if there is one.
    pub command: Option<Command>,
}

impl Question {
    /// The value of the header.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut form = Form::new(self.number);
        form.add("service", &self.service);
        form.add("instance", &self.instance);
        form.add("wait_ms", &self.wait.as_millis().to_string());
        if let Some(done) = &self.done {
            form.add("done", &done.id);
            match &done.result {
                Ok(left) => form.add("left_ms", &left.as_millis().to_string()),
                Err(sentence) => form.add("refused", sentence),
            }
        }
        let named = form.0.len();
        if let Some(takes) = &self.takes {
            form.add("takes", &takes.iter().map(String::as_str).collect::<Vec<_>>().join("\n"));
        }
        if form.0.len() - named > MAX_LIST {
            form.0.truncate(named);
        }
        form.0
    }

    /// Reads the value of the header; `None` if it is none.
    #[must_use]
    pub fn decode(value: &str) -> Option<Self> {
        let fields = Fields::read(value)?;
        let result = || match fields.get("refused") {
            Some(sentence) => Some(Err(sentence)),
            None => fields.millis("left_ms").map(Ok),
        };
        Some(Self {
            service: fields.get("service")?,
            instance: fields.get("instance")?,
            number: fields.number()?,
            wait: fields.millis("wait_ms")?.min(MAX_WAIT),
            done: match fields.has("done") {
                true => Some(Done { id: fields.get("done")?, result: result()? }),
                false => None,
            },
            takes: fields.get("takes").map(|names| names.lines().map(str::to_owned).collect()),
        })
    }
}

impl Answer {
    /// The value of the header.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut form = Form::new(self.number);
        if let Some(command) = &self.command {
            form.add("id", &command.id);
            form.add("breaker", &command.breaker);
            form.add("action", command.action.as_str());
            form.add("lasts_ms", &command.lasts.as_millis().to_string());
            form.add("by", &command.by);
            form.add("why", &command.why);
        }
        form.0
    }

    /// Reads the value of the header; `None` if it is none.
    #[must_use]
    pub fn decode(value: &str) -> Option<Self> {
        let fields = Fields::read(value)?;
        let number = fields.number()?;
        if !fields.has("id") {
            return Some(Self { number, command: None });
        }
        let command = Command {
            id: fields.get("id")?,
            breaker: fields.get("breaker")?,
            action: Action::parse(&fields.get("action")?)?,
            lasts: fields.millis("lasts_ms")?,
            by: fields.get("by")?,
            why: fields.get("why")?,
        };
        Some(Self { number, command: Some(command) })
    }
}

/// Fields that are written one after the other.
struct Form(String);

impl Form {
    fn new(number: u64) -> Self {
        Self(format!("v={VERSION}&number={number}"))
    }

    fn add(&mut self, key: &str, value: &str) {
        // Writing to a text does not fail.
        let _ = write!(self.0, "&{key}=");
        for byte in value.bytes() {
            let _ = match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    self.0.write_char(char::from(byte))
                }
                other => write!(self.0, "%{other:02X}"),
            };
        }
    }
}

/// Fields that were read, as they were written.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn read(value: &'a str) -> Option<Self> {
        if value.len() > MAX_BYTES {
            return None;
        }
        let fields = Self(value.split('&').map(|pair| pair.split_once('=')).collect::<Option<_>>()?);
        (fields.get("v")? == VERSION).then_some(fields)
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == key)
    }

    fn get(&self, key: &str) -> Option<String> {
        let (_, written) = self.0.iter().find(|(known, _)| *known == key)?;
        decoded(written)
    }

    fn number(&self) -> Option<u64> {
        self.get("number")?.parse().ok()
    }

    fn millis(&self, key: &str) -> Option<Duration> {
        self.get(key)?.parse().ok().map(Duration::from_millis)
    }
}

/// The text behind `%` and two digits for each byte that is written so.
fn decoded(written: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command {
            id: "c-1".to_owned(),
            breaker: "http://päy.example:80 & more=%41".to_owned(),
            action: Action::ForceOpen,
            lasts: DEFAULT_HOLD,
            by: "token login (10.1.2.x)".to_owned(),
            why: "line\nbreak \u{1f600}".to_owned(),
        }
    }

    #[test]
    fn both_ways_bring_every_text_as_printable_ascii() {
        let answer = Answer { number: u64::MAX, command: Some(command()) };
        let value = answer.encode();
        assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{value}");
        assert_eq!(Answer::decode(&value), Some(answer));
        let none = Answer { number: 7, command: None };
        assert_eq!(Answer::decode(&none.encode()), Some(none));
        for result in [Ok(Duration::from_millis(1_500)), Err("it holds it itself".to_owned())] {
            let question = Question {
                service: "shop".to_owned(),
                instance: "a b".to_owned(),
                number: 9,
                wait: Duration::from_secs(5),
                done: Some(Done { id: "c-1".to_owned(), result }),
                takes: Some(BTreeSet::from(["search".to_owned(), "http://päy:80".to_owned()])),
            };
            assert_eq!(Question::decode(&question.encode()), Some(question));
        }
    }

    #[test]
    fn which_breakers_take_commands_is_told_as_none_or_some_or_not_at_all() {
        let asked = |takes: Option<BTreeSet<String>>| {
            let (service, instance) = ("shop".to_owned(), "a".to_owned());
            let question = Question { service, instance, number: 1, wait: MAX_WAIT, done: None, takes };
            let value = question.encode();
            assert!(value.len() < MAX_BYTES);
            Question::decode(&value).unwrap().takes
        };
        for told in [None, Some(BTreeSet::new()), Some(BTreeSet::from(["one".to_owned()]))] {
            assert_eq!(asked(told.clone()), told);
        }
        let many = (0..500).map(|n| format!("http://host-{n}:80")).collect();
        assert_eq!(asked(Some(many)), None, "too many to be named");
    }

    #[test]
    fn what_is_none_is_not_read() {
        let good = Answer { number: 1, command: Some(command()) }.encode();
        for bad in [
            String::new(),
            "v=2&number=1".to_owned(),
            "number=1".to_owned(),
            "v=1&number=-1".to_owned(),
            "v=1&number=1&id=x".to_owned(),
            good.replace("force_open", "explode"),
            good.replace("&lasts", "%&lasts"),
            good.replace("lasts_ms=300000", "lasts_ms=-5"),
            format!("{good}&x={}", "y".repeat(MAX_BYTES)),
            "v=1&number=1&id=%ff%fe&breaker=&action=automatic&lasts_ms=1&by=&why=".to_owned(),
        ] {
            assert_eq!(Answer::decode(&bad), None, "{bad}");
        }
    }

    #[test]
    fn nobody_makes_a_question_wait_for_longer_than_the_bound() {
        let value = "v=1&number=1&service=s&instance=i&wait_ms=99999999";
        assert_eq!(Question::decode(value).map(|question| question.wait), Some(MAX_WAIT));
    }
}
