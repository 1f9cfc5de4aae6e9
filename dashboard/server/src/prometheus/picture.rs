//! From series to who tells what: the labels of each series are sorted into sender, metric and attributes, the buckets of a
//! histogram are put together, and of what is kept twice one is chosen.

use std::collections::BTreeMap;

use poolscope_semconv::accepted::attr as theirs;
use poolscope_semconv::attr;

use super::answer::Series;
use super::names::{self, Known, LE, NAME, Shape};

/// A copy whose newest sample is so much older than that of another is one of a replica that has gone.
const GONE_MS: u64 = 15_000;
/// Names of labels that one notice tells.
const MAX_NAMED: usize = 3;

/// Keys that tell who sends.
const SENDER: &[&str] = &[
    attr::SERVICE_NAME,
    attr::SERVICE_INSTANCE_ID,
    attr::SERVICE_VERSION,
    attr::TELEMETRY_SDK_LANGUAGE,
    theirs::K8S_POD_NAME,
    theirs::CONTAINER_ID,
    theirs::HOST_NAME,
];
/// Of these, the keys by which two of a service are told apart.
const INSTANCE: &[&str] =
    &[attr::SERVICE_INSTANCE_ID, theirs::K8S_POD_NAME, theirs::CONTAINER_ID, theirs::HOST_NAME];

/// Attributes, or the labels that are none, in order.
pub(super) type Pairs<K> = Vec<(K, Box<str>)>;
/// Samples in the order of their time in Unix milliseconds.
pub(super) type Samples<V> = Vec<(u64, V)>;

/// All series of an answer, sorted.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) senders: BTreeMap<Pairs<&'static str>, Of>,
    /// Labels by which copies differ, and nobody said that they tell replicas apart.
    pub(super) differing: Vec<Box<str>>,
}

/// What one sender tells.
#[derive(Debug)]
pub(super) struct Of {
    pub(super) tracks: Tracks,
    /// The labels that tell the sender, as they are written.
    pub(super) labels: Vec<Label>,
}

/// A label and its value, as they are written.
pub(super) type Label = (Box<str>, Box<str>);

/// The series of a sender, by metric and attributes.
pub(super) type Tracks = BTreeMap<(Known, Pairs<&'static str>), Track>;

/// The values of a series, of which those of the metric's shape are there.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) numbers: Samples<f64>,
    /// By the upper end of the bucket, in no order; each counts what is below too.
    pub(super) buckets: Vec<(f64, Samples<f64>)>,
    /// Upper ends and counts of the buckets that hold something.
    pub(super) native: Samples<Vec<(f64, f64)>>,
}

impl Track {
    /// Times of all that is complete.
    pub(super) fn times(&self) -> impl Iterator<Item = u64> + '_ {
        let all = self.buckets.iter().find(|(le, _)| le.is_infinite()).map_or(&[][..], |(_, all)| all);
        let numbers = self.numbers.iter().chain(all).map(|(at_ms, _)| *at_ms);
        numbers.chain(self.native.iter().map(|(at_ms, _)| *at_ms))
    }

    fn newest(&self) -> u64 {
        self.times().max().unwrap_or(0)
    }
}

/// The same by whatever labels are neither sender nor attributes.
type Copies = BTreeMap<Pairs<Box<str>>, Track>;

impl Picture {
    /// Sorts the series of an answer.
    pub(super) fn of(series: Vec<Series>, replica_labels: &[String]) -> Self {
        let mut all: BTreeMap<_, (BTreeMap<_, Copies>, Vec<Label>)> = BTreeMap::new();
        for one in series {
            let Some(known) = names::series(one.labels.get(NAME)) else { continue };
            let Some(sorted) = Sorted::of(one.labels.0, known.shape) else { continue };
            let (tracks, _) = all.entry(sorted.sender).or_insert_with(|| (BTreeMap::new(), sorted.labels));
            let copies = tracks.entry((known, sorted.attributes)).or_default();
            let track: &mut Track = copies.entry(sorted.rest).or_default();
            let values = one.values.into_iter().map(|(at, value)| (at.ms, value.0));
            let values = values.filter(|(_, value)| !value.is_nan()).collect();
            match (known.shape, sorted.le) {
                (Shape::Histogram, Some(le)) => track.buckets.push((le, values)),
                // A histogram that is told by numbers without bounds is a summary or a gauge of that name.
                (Shape::Histogram, None) => track.native = one.histograms.into_iter().map(native).collect(),
                _ => track.numbers = values,
            }
        }
        let mut picture = Self::default();
        for (sender, (tracks, labels)) in all {
            let chosen = tracks.into_iter().filter_map(|(key, copies)| {
                picture.tell_difference(&copies, replica_labels);
                choose(copies).map(|track| (key, track))
            });
            let tracks = chosen.collect();
            picture.senders.insert(sender, Of { tracks, labels });
        }
        picture
    }

    fn tell_difference(&mut self, copies: &Copies, replica_labels: &[String]) {
        let mut all = copies.keys();
        let Some(first) = all.next() else { return };
        for other in all {
            let differs = |(name, value): &&(Box<str>, Box<str>), than: &Pairs<Box<str>>| {
                than.iter().find(|(label, _)| label == name).is_none_or(|(_, other)| other != value)
            };
            let names = first.iter().filter(|pair| differs(pair, other));
            let names = names.chain(other.iter().filter(|pair| differs(pair, first))).map(|(name, _)| name);
            for name in names.filter(|name| !replica_labels.iter().any(|label| **label == ***name)) {
                if self.differing.len() < MAX_NAMED && !self.differing.contains(name) {
                    self.differing.push(name.clone());
                }
            }
        }
    }
}

/// Of copies, the first in the order of their labels that is up to date: for all series of a sender the same one.
fn choose(copies: Copies) -> Option<Track> {
    let newest = copies.values().map(Track::newest).max().unwrap_or(0);
    copies.into_values().find(|track| track.newest().saturating_add(GONE_MS) >= newest)
}

/// The upper ends and counts of a native histogram.
fn native((at, histogram): (super::answer::Seconds, super::answer::Native)) -> (u64, Vec<(f64, f64)>) {
    (at.ms, histogram.buckets.into_iter().map(|(_, _, upper, count)| (upper.0, count.0)).collect())
}

/// The labels of one series.
#[derive(Default)]
struct Sorted {
    sender: Pairs<&'static str>,
    attributes: Pairs<&'static str>,
    rest: Pairs<Box<str>>,
    le: Option<f64>,
    /// What the sender was told by.
    labels: Vec<Label>,
}

impl Sorted {
    /// `None` if it is a bucket without an end that is a number.
    fn of(labels: Pairs<Box<str>>, shape: Shape) -> Option<Self> {
        let mut sorted = Self::default();
        for (label, value) in labels {
            if &*label == LE && shape == Shape::Histogram {
                sorted.le = Some(value.parse().ok().filter(|le: &f64| !le.is_nan())?);
                continue;
            }
            match names::attribute(&label) {
                Some(key) if SENDER.contains(&key) => {
                    sorted.labels.push((label, value.clone()));
                    sorted.sender.push((key, value));
                }
                Some(key) => sorted.attributes.push((key, value)),
                None => sorted.rest.push((label, value)),
            }
        }
        sorted.name_sender();
        sorted.sender.sort_unstable();
        sorted.attributes.sort_unstable();
        Some(sorted)
    }

    /// Where the resource is no labels, `job` and `instance` stand for it: they are what OpenTelemetry makes of service and
    /// instance, and `exported_` is put before them where Prometheus does not honor the labels of what it scrapes.
    fn name_sender(&mut self) {
        let has = |sender: &Pairs<&str>, keys: &[&str]| sender.iter().any(|(key, _)| keys.contains(key));
        let rest = |labels: &[&str]| {
            let find = |label: &&str| self.rest.iter().find(|(name, _)| **name == **label);
            labels.iter().find_map(find).cloned()
        };
        let service = (!has(&self.sender, &[attr::SERVICE_NAME])).then(|| rest(&["exported_job", "job"]));
        let instance =
            (!has(&self.sender, &[attr::SERVICE_INSTANCE_ID])).then(|| rest(&["exported_instance"]));
        let instance = instance.flatten();
        let instance =
            instance.or_else(|| (!has(&self.sender, INSTANCE)).then(|| rest(&["instance"])).flatten());
        if let Some((label, job)) = service.flatten() {
            // A namespace stands before the name.
            let name = job.rsplit('/').next().unwrap_or_default().into();
            self.sender.push((attr::SERVICE_NAME, name));
            self.labels.push((label, job));
        }
        if let Some((label, instance)) = instance {
            self.sender.push((attr::SERVICE_INSTANCE_ID, instance.clone()));
            self.labels.push((label, instance));
        }
    }
}
