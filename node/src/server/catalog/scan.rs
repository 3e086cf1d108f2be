//! Brings what is served in line with what is on the disk.

use std::{
    collections::{HashMap, HashSet},
    sync::PoisonError,
};

use super::{
    Catalog, CatalogError, Skipped, describe,
    file::{Candidate, Look},
    snapshot::Snapshot,
    walk,
};
use crate::source::formats;

/// Files that are looked into before the first of them are served. Later batches are a quarter of what is known by then,
/// so that the cost of publishing stays in proportion.
const FIRST_BATCH: usize = 64;

impl Catalog {
    /// Looks through the folders again: adds, removes and changes tracks while they are served. A file that is as it was
    /// by path, size and time of writing is not opened, so a file that could not be read is tried again only once it
    /// has changed. New tracks appear in batches, in order: while the first scan goes on, a number that was listed
    /// stays that track's number; later ones move up and down with what comes and goes before them.
    ///
    /// Blocks on the disk; one at a time, others wait. Returns whether anything is other than before.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`], and all stays as it was; [`CatalogError::Empty`] when no track is left.
    pub fn rescan(&self) -> Result<bool, CatalogError> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let (candidates, skipped) = self.walk()?;
        let mut found = recognised(&candidates, &looks);
        let missing: Vec<_> = (0..found.len()).filter(|it| found[*it].is_none()).collect();
        let is_known = missing.is_empty() && found.len() == looks.len();
        // What is served may be nothing of what is known: the disk was away.
        if is_known && !self.is_empty() && !self.now().is_scanning() {
            return Ok(false);
        }
        let mut rest = missing.as_slice();
        let mut saved = found.len() - rest.len();
        loop {
            self.publish(Snapshot::new(found.iter().flatten(), skipped.clone(), !rest.is_empty()));
            if rest.is_empty() {
                break;
            }
            let known = found.len() - rest.len();
            // A scan of hours that is broken off is not for nothing.
            if known >= 2 * saved.max(FIRST_BATCH) {
                saved = known;
                self.save(found.iter().flatten());
            }
            let batch;
            (batch, rest) = rest.split_at(rest.len().min((known / 4).max(FIRST_BATCH)));
            describe::all(&candidates, batch, |place, look| found[place] = Some(look));
        }
        if self.is_empty() {
            // What is known is kept, for a disk that is not there may come back.
            return Err(self.nothing());
        }
        if !is_known {
            self.save(found.iter().flatten());
        }
        *looks = found.into_iter().flatten().collect();
        Ok(true)
    }

    fn walk(&self) -> Result<(Vec<Candidate>, Vec<Skipped>), CatalogError> {
        let (mut seen, mut skipped, mut candidates) = (HashSet::new(), Vec::new(), Vec::new());
        for path in &self.paths {
            let found = walk::walk(path, self.follow_links, formats::is_audio, &mut seen, &mut skipped);
            let found = found.map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })?;
            candidates.extend(found);
        }
        Ok((candidates, skipped))
    }

    fn save<'a>(&self, looks: impl Iterator<Item = &'a Look>) {
        if let Some(index) = &self.index
            && let Err(error) = index.save(looks)
        {
            tracing::warn!("cannot keep an index of the library, so the next start takes longer: {error}");
        }
    }

    fn nothing(&self) -> CatalogError {
        let paths: Vec<_> = self.paths.iter().map(|it| it.display().to_string()).collect();
        let skipped = match self.skipped().as_slice() {
            [] => String::new(),
            [first, ..] => format!(" ({} skipped, the first: {first})", self.skipped().len()),
        };
        CatalogError::Empty { paths: paths.join(", "), skipped }
    }
}

/// What is known of each candidate.
fn recognised(candidates: &[Candidate], looks: &[Look]) -> Vec<Option<Look>> {
    let known: HashMap<_, _> = looks.iter().map(|look| (look.at(), look)).collect();
    candidates.iter().map(|it| known.get(it).copied().cloned()).collect()
}
