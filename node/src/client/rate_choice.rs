//! In which codec and bitrate a track is asked for: what is offered, and what each next chunk comes in.
//!
//! The choice is by throughput, held back by the buffer's level: a share of what was measured, the smaller the less is
//! held. That is between the rate-based and the buffer-based families (BBA: Huang et al., SIGCOMM 2014; a survey is in Yin
//! et al., SIGCOMM 2015). Down at once, up after two chunks that allow it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use media_plugin_host::Registry;
use media_plugin_sdk::transport::{Path, PathKind};
use media_protocol::{
    CodecOffer, PathReport, Rendition,
    session::client::{Delivery, RateChoice, Situation, Stay, Switch},
};

/// What the person wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecChoice {
    /// By the path: lossless where it is wide, lossy where it is thin, and as much as it carries.
    Auto,
    /// These codecs and no others, the best first.
    Only(Vec<String>),
}

/// The bitrates that a lossy codec is offered at beside the one that is asked for, in bit/s.
const LADDER: [u32; 7] = [160_000, 128_000, 96_000, 64_000, 48_000, 32_000, 24_000];

/// The codecs to offer for a path, most wanted first, the lossy ones at `bitrate`, in bit/s. With `Auto` they are offered
/// at other bitrates too, for [`Adaptive`].
pub(super) fn offers(
    choice: &CodecChoice,
    bitrate: u32,
    path: &Path,
    registry: &Registry,
) -> Vec<CodecOffer> {
    let mut codecs: Vec<_> = registry.codecs().map(|codec| codec.info()).collect();
    let wide = *choice == CodecChoice::Auto && is_wide(path.kind);
    let ladder = match choice {
        CodecChoice::Auto => {
            // On one machine bytes cost nothing, and PCM no work. On a network, Wi-Fi above all, half of the bytes are worth
            // some. Stable, so that equals stay in the registry's order.
            let near = matches!(path.kind, PathKind::Memory | PathKind::Loopback);
            codecs.sort_by_key(|codec| (codec.lossless != wide, (codec.id == "pcm") != near));
            &LADDER[..]
        }
        CodecChoice::Only(ids) => {
            codecs.retain(|codec| ids.contains(&codec.id));
            codecs.sort_by_key(|codec| ids.iter().position(|id| *id == codec.id));
            &[]
        }
    };
    let at = |id: &str, bitrate| CodecOffer { id: id.into(), bitrate };
    let first = codecs.iter().map(|codec| at(&codec.id, (!codec.lossless).then_some(bitrate)));
    let lossy = codecs.iter().filter(|codec| !codec.lossless);
    let others = lossy.flat_map(|codec| ladder.iter().map(|step| at(&codec.id, Some(*step))));
    // Without a limit, so that a source of any bitrate may pass through as it is.
    let unlimited = codecs.iter().filter(|codec| wide && !codec.lossless).map(|codec| at(&codec.id, None));
    first.chain(unlimited).chain(others).take(media_protocol::GetInfo::MAX_CODECS).collect()
}

/// Whether a path of this kind carries PCM with ease.
fn is_wide(kind: PathKind) -> bool {
    matches!(kind, PathKind::Memory | PathKind::Loopback | PathKind::Lan)
}

/// What `get_info` tells the node of the path.
pub(super) fn report(path: &Path) -> PathReport {
    PathReport {
        kind: path.kind.to_string().to_lowercase(),
        rtt_ms: path.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
        loss: path.loss,
        throughput: None,
    }
}

/// Who chooses the rendition of each chunk. A codec that a person named stays, and so does any where the output is not
/// `paced`: a file waits for as long as it takes.
pub(super) fn chooser(choice: &CodecChoice, paced: Arc<AtomicBool>) -> Box<dyn RateChoice> {
    match choice {
        CodecChoice::Auto => Box::new(Adaptive { paced, throughput: None, better: 0 }),
        CodecChoice::Only(_) => Box::new(Stay),
    }
}

/// See the module.
#[derive(Debug)]
struct Adaptive {
    /// Whether the output plays in real time.
    paced: Arc<AtomicBool>,
    /// What the path carries, in bit/s, once measured: falls at once, rises slowly.
    throughput: Option<f64>,
    /// Chunks in a row that would have allowed a better rendition.
    better: u32,
}

impl Adaptive {
    /// Chunks in a row that must allow a better rendition before it is taken.
    const PATIENCE: u32 = 2;
    /// A chunk that comes faster than this says only that the path is fast.
    const SHORTEST: Duration = Duration::from_millis(2);
    /// Before a chunk is given up, this much time of it must have been measured.
    const MEASURED: Duration = Duration::from_millis(400);

    /// The best rendition that `throughput` carries, else the smallest.
    fn best(situation: &Situation<'_>, throughput: f64) -> Option<usize> {
        let limit = match situation.path.kind.as_str() {
            "memory" | "loopback" | "lan" => u32::MAX,
            "relayed" => 96_000,
            _ => 160_000,
        };
        let all = || situation.all.iter().enumerate();
        // What passes through as it is would lose by being encoded again, however little is saved by it.
        let allowed = |rendition: &Rendition| rendition.bitrate <= limit || rendition.continuous;
        let carried = all().filter(|(_, it)| allowed(it) && f64::from(it.bitrate) <= throughput);
        let smallest = || all().min_by_key(|(_, it)| it.bitrate);
        // The first of equals, in the order of the offer.
        carried.rev().max_by_key(|(_, it)| Self::quality(it)).or_else(smallest).map(|(place, _)| place)
    }

    /// The more the better. What is lossless is equally good, whatever it takes.
    fn quality(rendition: &Rendition) -> (bool, u32) {
        (rendition.lossless, if rendition.lossless { 0 } else { rendition.bitrate })
    }

    fn words(&self, held: Duration) -> String {
        let throughput = self.throughput.unwrap_or_default() / 1000.0;
        format!("{throughput:.0} kbit/s measured, {:.1} s held", held.as_secs_f64())
    }
}

impl RateChoice for Adaptive {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        let throughput = self.throughput.filter(|_| self.paced.load(Ordering::Relaxed))?;
        let fill = situation.held.as_secs_f64() / situation.target.as_secs_f64().max(0.001);
        let share = 0.5 + 0.35 * fill.clamp(0.0, 1.0);
        let to = Self::best(situation, throughput * share)?;
        if Self::quality(&situation.all[to]) > Self::quality(situation.current) {
            self.better += 1;
            if self.better < Self::PATIENCE {
                return None;
            }
        } else if f64::from(situation.current.bitrate) <= throughput * 0.9 && fill > 0.8 {
            // It fits, if barely, and there is time to see how it goes on.
            self.better = 0;
            return None;
        }
        self.better = 0;
        Some(Switch { to, reason: self.words(situation.held) })
    }

    fn reconsider(&mut self, situation: &Situation<'_>, so_far: Delivery) -> Option<Switch> {
        if so_far.took < Self::MEASURED || !self.paced.load(Ordering::Relaxed) {
            return None;
        }
        let throughput = so_far.bytes as f64 * 8.0 / so_far.took.as_secs_f64();
        let left = f64::from(situation.current.bitrate) * 3.0 - so_far.bytes as f64 * 8.0;
        let held = situation.held.as_secs_f64();
        if left <= 0.0 || left / throughput < held {
            return None;
        }
        let to = Self::best(situation, throughput * 0.7)?;
        let smaller = &situation.all[to];
        // A little is lost by beginning again: only for what is much smaller.
        if f64::from(smaller.bitrate) * 1.5 > f64::from(situation.current.bitrate) {
            return None;
        }
        self.throughput = Some(throughput);
        self.better = 0;
        Some(Switch { to, reason: format!("the chunk would come too late: {}", self.words(situation.held)) })
    }

    fn delivered(&mut self, delivery: Delivery) {
        let took = delivery.took.max(Self::SHORTEST).as_secs_f64();
        let latest = delivery.bytes as f64 * 8.0 / took;
        self.throughput = Some(self.throughput.map_or(latest, |before| latest.min((before + latest) / 2.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    const SECOND: Duration = Duration::from_secs(1);

    fn adaptive(paced: bool) -> Adaptive {
        Adaptive { paced: Arc::new(AtomicBool::new(paced)), throughput: None, better: 0 }
    }

    fn ladder() -> Vec<Arc<Rendition>> {
        let rendition = |bitrate, lossless| {
            let rendition = testing::info(48_000, 2, 480_000).rendition;
            Arc::new(Rendition { bitrate, lossless, ..rendition })
        };
        std::iter::once(rendition(1_536_000, true)).chain(LADDER.map(|it| rendition(it, false))).collect()
    }

    /// Bitrates of 30 chunks on a path of this kind and rate, in bit/s, that starts with `first` of the ladder.
    fn run(kind: &str, first: usize, rate: impl Fn(usize) -> f64) -> Vec<u32> {
        let (all, path) = (ladder(), PathReport { kind: kind.into(), ..PathReport::default() });
        let (mut choice, mut current) = (adaptive(true), Arc::clone(&all[first]));
        (0..30)
            .map(|chunk| {
                let situation = Situation {
                    held: 3 * SECOND,
                    target: 3 * SECOND,
                    current: &current,
                    all: &all,
                    path: &path,
                };
                if let Some(switch) = choice.choose(&situation) {
                    current = Arc::clone(&all[switch.to]);
                }
                let bytes = u64::from(current.bitrate) * 3 / 8;
                let took = Duration::from_secs_f64(bytes as f64 * 8.0 / rate(chunk));
                choice.delivered(Delivery { bytes, waited: SECOND / 20, took });
                current.bitrate
            })
            .collect()
    }

    #[test]
    fn takes_what_the_kind_of_path_allows() {
        assert!(run("lan", 0, |_| 50e6).iter().all(|it| *it == 1_536_000));
        assert_eq!(run("direct", 3, |_| 50e6)[29], 160_000);
        assert_eq!(run("relayed", 3, |_| 50e6)[29], 96_000);
    }

    #[test]
    fn a_wide_path_has_room_for_a_source_of_any_bitrate() {
        let registry = crate::plugins::registry();
        let unlimited = |choice, kind| {
            let path = Path { kind, remote: String::new(), rtt: None, loss: None };
            let offers = offers(&choice, 96_000, &path, &registry);
            offers.iter().any(|it| it.id == "opus" && it.bitrate.is_none())
        };
        let has_opus = cfg!(feature = "opus");
        assert_eq!(unlimited(CodecChoice::Auto, PathKind::Lan), has_opus);
        assert!(!unlimited(CodecChoice::Auto, PathKind::Direct));
        assert!(!unlimited(CodecChoice::Only(vec!["opus".into()]), PathKind::Lan));
    }

    #[test]
    fn what_passes_through_is_kept_where_the_path_carries_it() {
        let [_, _, _, low] = &ladder()[..4] else { panic!("a ladder of four at least") };
        let copy = Rendition { bitrate: 130_000, lossless: true, continuous: true, ..(**low).clone() };
        let all = [Arc::clone(low), Arc::new(copy)];
        let path = PathReport { kind: "relayed".into(), ..PathReport::default() };
        for (throughput, expected) in [(1e6, 1), (120e3, 0)] {
            let situation =
                Situation { held: 3 * SECOND, target: 3 * SECOND, current: &all[1], all: &all, path: &path };
            assert_eq!(Adaptive::best(&situation, throughput), Some(expected));
        }
    }

    #[test]
    fn pcm_is_first_on_one_machine_and_last_of_the_lossless_elsewhere() {
        let registry = crate::plugins::registry();
        let known: Vec<_> = registry.codecs().map(|it| it.info()).collect();
        for kind in [PathKind::Loopback, PathKind::Lan, PathKind::Direct] {
            let path = Path { kind, remote: String::new(), rtt: None, loss: None };
            let mut offered = offers(&CodecChoice::Auto, 96_000, &path, &registry);
            offered.truncate(known.len());
            let is_lossless = |id: &str| known.iter().any(|it| it.id == id && it.lossless);
            let sorted = offered.is_sorted_by_key(|it| match (is_lossless(&it.id), it.id == "pcm") {
                (lossless, pcm) if kind == PathKind::Loopback => (!lossless, !pcm),
                (lossless, pcm) if kind == PathKind::Lan => (!lossless, pcm),
                it => it,
            });
            assert!(sorted, "{kind}: {offered:?}");
        }
    }

    #[test]
    fn one_lossless_codec_is_not_left_for_another() {
        let (mut all, path) = (ladder(), PathReport { kind: "lan".into(), ..PathReport::default() });
        let flac = Rendition { bitrate: 1_024_000, ..(*all[0]).clone() };
        all.insert(0, Arc::new(flac));
        for current in [0, 1] {
            let mut choice = adaptive(true);
            choice.delivered(Delivery { bytes: 600_000, waited: SECOND / 20, took: SECOND / 10 });
            let held = 3 * SECOND;
            let situation = Situation { held, target: held, current: &all[current], all: &all, path: &path };
            assert!((0..5).all(|_| choice.choose(&situation).is_none()), "left {current}");
        }
    }

    #[test]
    fn goes_down_at_once_and_up_again_within_five_chunks() {
        let chosen = run("direct", 3, |chunk| if (10..20).contains(&chunk) { 100e3 } else { 10e6 });
        assert_eq!((chosen[9], chosen[11]), (160_000, 64_000), "{chosen:?}");
        assert!(chosen[12..20].iter().all(|it| *it <= 64_000), "{chosen:?}");
        assert_eq!(chosen[25], 160_000, "{chosen:?}");
    }

    #[test]
    fn does_not_swing_on_a_path_that_carries_just_enough() {
        let chosen = run("direct", 3, |chunk| if chunk % 2 == 0 { 150e3 } else { 120e3 });
        let changes = chosen.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 3, "{chosen:?}");
    }

    #[test]
    fn gives_a_chunk_up_that_would_come_too_late() {
        let (all, path) = (ladder(), PathReport { kind: "lan".into(), ..PathReport::default() });
        let situation =
            |held| Situation { held, target: 3 * SECOND, current: &all[0], all: &all, path: &path };
        // A tenth of 576 kB came in one second: nine more to go.
        let so_far = Delivery { bytes: 57_600, waited: SECOND / 20, took: SECOND };
        let mut choice = adaptive(true);
        assert_eq!(choice.reconsider(&situation(12 * SECOND), so_far), None, "there is time");
        let unpaced = adaptive(false).reconsider(&situation(Duration::ZERO), so_far);
        assert_eq!(unpaced, None, "a file waits");
        let switch = choice.reconsider(&situation(2 * SECOND), so_far).unwrap();
        assert_eq!(all[switch.to].bitrate, 160_000);
        let too_early = Delivery { took: SECOND / 5, ..so_far };
        assert_eq!(choice.reconsider(&situation(2 * SECOND), too_early), None);
    }
}
