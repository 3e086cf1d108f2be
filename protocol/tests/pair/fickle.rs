use media_protocol::session::client::{Delivery, RateChoice, Situation, Switch};

use crate::sim::{
    driver::{Driver, Plain},
    random::Random,
};

/// Changes the rendition at random, at one border in four and sometimes within a chunk.
#[derive(Debug)]
struct Fickle(Random);

impl RateChoice for Fickle {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        let to = self.0.below(situation.all.len() as u64) as usize;
        self.0.chance(25).then(|| Switch { to, reason: "a whim".into() })
    }

    fn reconsider(&mut self, situation: &Situation<'_>, _: Delivery) -> Option<Switch> {
        let to = self.0.below(situation.all.len() as u64) as usize;
        self.0.chance(1).then(|| Switch { to, reason: "another whim".into() })
    }

    fn delivered(&mut self, _: Delivery) {}

    fn abandoned(&mut self, _: u64) {}
}

/// Returns the driver of one script.
pub(crate) fn fickle(seed: u64) -> Driver {
    Driver { choice: Box::new(Fickle(Random(seed ^ 0x5eed))), fill: Box::new(Plain) }
}
