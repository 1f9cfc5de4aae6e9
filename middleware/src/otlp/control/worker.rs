//! [`Worker`]: asks the dashboard for commands, for as long as the export runs.

use std::pin::pin;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use poolscope_semconv::attr;
use poolscope_semconv::protocol::control::{Answer, Done, HEADER, MAX_WAIT, Question};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Control;
use super::holds::Holds;
use crate::otlp::audience::Audience;
use crate::otlp::config::{Protocol, Target};
use crate::otlp::error::OtlpError;
use crate::otlp::grpc::GrpcClient;
use crate::otlp::http::HttpSender;
use crate::otlp::pace::Receiver;

/// How often is looked whether a dashboard takes the metrics.
const LOOK: Duration = Duration::from_millis(250);
/// Pause after a command: whatever answers, it makes this program ask no faster.
const BREATH: Duration = Duration::from_millis(20);
/// Pause after a question that nobody answered.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause where the dashboard offers no control; it may be started anew with it.
const UNOFFERED_PAUSE: Duration = Duration::from_secs(10);

/// See the module.
pub(in crate::otlp) struct Worker {
    holds: Holds,
    way: Way,
    audience: Audience,
    service: String,
    instance: String,
    timeout: Duration,
    /// What was told last of how it stands.
    told: Option<&'static str>,
}

/// A way of its own to who takes the metrics: a question waits for long.
enum Way {
    Grpc(Box<GrpcClient>),
    Http(HttpSender),
}

/// What came of a question.
enum Heard {
    /// It was answered.
    Answer(Answer),
    /// The dashboard offers no control.
    Unoffered,
    /// Nobody answered, or somebody else.
    Nothing,
}

impl Worker {
    /// Prepares to ask who takes the metrics. Must be called inside of the event loop's context.
    pub(in crate::otlp) fn new(
        control: Control,
        target: &Target,
        audience: Audience,
        resource: &opentelemetry_sdk::Resource,
    ) -> Result<Self, OtlpError> {
        let way = match target.protocol {
            Protocol::Grpc => Way::Grpc(Box::new(GrpcClient::new(target)?)),
            Protocol::HttpProtobuf => Way::Http(HttpSender::new(target)?),
        };
        let of = |key| resource.get(&opentelemetry::Key::from_static_str(key));
        let text = |key| of(key).map(|value| value.to_string()).unwrap_or_default();
        Ok(Self {
            holds: Holds::new(control),
            way,
            audience,
            service: text(attr::SERVICE_NAME),
            instance: text(attr::SERVICE_INSTANCE_ID),
            timeout: MAX_WAIT + target.timeout,
            told: None,
        })
    }

    /// Asks and does what is answered, until it is dropped. Whatever is under way, what is held is let go in time.
    pub(in crate::otlp) async fn run(mut self) {
        let mut done = None;
        loop {
            match self.audience.of_metrics() {
                Some(Receiver::Dashboard) => {}
                other => {
                    if other == Some(Receiver::Other) {
                        self.tell(
                            "breakers can't be held from a dashboard: what takes the metrics is none, such as a Collector",
                        );
                    }
                    holding(&mut self.holds, sleep(LOOK)).await;
                    continue;
                }
            }
            let question = Question {
                service: self.service.clone(),
                instance: self.instance.clone(),
                number: fastrand::u64(..),
                wait: MAX_WAIT,
                done: done.clone(),
                takes: Some(self.holds.takes()),
            };
            let begin = Instant::now();
            let asked = timeout(self.timeout, self.way.ask(&question));
            match holding(&mut self.holds, asked).await {
                Ok(Heard::Answer(answer)) => {
                    self.tell("breakers can be held from the dashboard");
                    done = self.take(&answer);
                    // One that has nothing to say and says so at once is about to end.
                    let pause = if done.is_some() { BREATH } else { PAUSE.saturating_sub(begin.elapsed()) };
                    holding(&mut self.holds, sleep(pause)).await;
                }
                Ok(Heard::Unoffered) => {
                    self.tell("breakers can't be held from the dashboard: it runs without --allow-control");
                    holding(&mut self.holds, sleep(UNOFFERED_PAUSE)).await;
                }
                Ok(Heard::Nothing) => holding(&mut self.holds, sleep(PAUSE)).await,
                Err(_) => self.way.reconnect(),
            }
        }
    }

    fn take(&mut self, answer: &Answer) -> Option<Done> {
        let command = answer.command.as_ref()?;
        // As what it does to the application, what it says of it is no work of this thread's own.
        let _context = opentelemetry::Context::new().attach();
        let done = self.holds.take(command, Instant::now());
        match &done.result {
            Ok(_) => tracing::warn!(
                breaker = command.breaker,
                action = command.action.as_str(),
                by = command.by,
                why = command.why,
                "a breaker is moved from the dashboard"
            ),
            Err(reason) => tracing::warn!(
                breaker = command.breaker,
                by = command.by,
                reason,
                "a command from the dashboard is refused"
            ),
        }
        Some(done)
    }

    /// Says how it stands, once.
    fn tell(&mut self, sentence: &'static str) {
        if self.told != Some(sentence) {
            self.told = Some(sentence);
            tracing::info!("{sentence}");
        }
    }
}

/// Does something and lets go meanwhile what is over.
async fn holding<F: Future>(holds: &mut Holds, work: F) -> F::Output {
    let mut work = pin!(work);
    loop {
        let end = holds.next_end();
        let over = async {
            match end {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            output = &mut work => return output,
            () = over => holds.end_due(Instant::now()),
        }
    }
}

impl Way {
    async fn ask(&self, question: &Question) -> Heard {
        // It is ASCII.
        let Ok(value) = HeaderValue::try_from(question.encode()) else { return Heard::Nothing };
        let headers = match self {
            Self::Grpc(client) => client.ask(value).await,
            Self::Http(sender) => sender.ask(value).await,
        };
        headers.map_or(Heard::Nothing, |headers| heard(&headers, question.number))
    }

    fn reconnect(&mut self) {
        if let Self::Grpc(client) = self {
            client.reconnect();
        }
    }
}

/// Reads an answer. One to another question is none.
fn heard(headers: &HeaderMap, number: u64) -> Heard {
    let Some(value) = headers.get(HEADER) else { return Heard::Unoffered };
    let answer = value.to_str().ok().and_then(Answer::decode);
    answer.filter(|answer| answer.number == number).map_or(Heard::Nothing, Heard::Answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_question_is_none() {
        let of = |value: &str| {
            heard(&HeaderMap::from_iter([(HEADER.parse().unwrap(), value.parse().unwrap())]), 7)
        };
        let answer = |number| Answer { number, command: None }.encode();
        assert!(matches!(of(&answer(7)), Heard::Answer(_)));
        assert!(matches!(of(&answer(8)), Heard::Nothing));
        assert!(matches!(of("anything"), Heard::Nothing));
        assert!(matches!(heard(&HeaderMap::new(), 7), Heard::Unoffered));
    }
}
