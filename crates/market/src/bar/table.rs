//! The series of a run, frozen in canonical order.
//!
//! Invariant: ids depend on the set of series only, and the base of a composite has a smaller id than the composite. So
//! whoever closes due series in the order of their ids hands every base bar over before its composite closes.

use starling_core::BarSeriesId;

use super::spec::{BarError, BarSource, BarSpec};

/// All series of bars of a run, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BarSeriesTable {
    specs: Vec<BarSpec>,
    /// For each series, the composites made from it, ascending.
    composites: Vec<Vec<BarSeriesId>>,
    bases: Vec<Option<BarSeriesId>>,
}

/// Externals, then internals, then composites; within each by instrument and shape.
fn canonical(a: &BarSpec, b: &BarSpec) -> std::cmp::Ordering {
    let rank = |spec: &BarSpec| match spec.shape.source {
        BarSource::External => 0,
        BarSource::Internal => 1,
        BarSource::Composite(_) => 2,
    };
    (rank(a), a.instrument, &a.shape).cmp(&(rank(b), b.instrument, &b.shape))
}

impl BarSeriesTable {
    /// Sorts and freezes. A series named twice is one series; the internal base of a composite is added if it is
    /// missing; a missing external base is an error, since nobody would deliver it.
    pub fn freeze(mut specs: Vec<BarSpec>) -> Result<Self, BarError> {
        for spec in &specs {
            spec.shape.check()?;
        }
        let bases: Vec<BarSpec> = specs.iter().filter_map(BarSpec::base).collect();
        specs.extend(bases.iter().filter(|base| base.shape.source == BarSource::Internal).cloned());
        specs.sort_by(canonical);
        specs.dedup();
        let mut table = Self { composites: vec![Vec::new(); specs.len()], bases: Vec::new(), specs };
        for at in 0..table.specs.len() {
            let base = match table.specs[at].base() {
                None => None,
                Some(base) => Some(table.id(&base).ok_or_else(|| BarError::MissingBase {
                    shape: table.specs[at].shape.to_string(),
                    base: base.shape.to_string(),
                })?),
            };
            if let Some(base) = base {
                assert!(base.index() < at, "a base stands before its composites");
                table.composites[base.index()].push(BarSeriesId::from(at));
            }
            table.bases.push(base);
        }
        Ok(table)
    }
    /// The id of a series.
    #[must_use]
    pub fn id(&self, spec: &BarSpec) -> Option<BarSeriesId> {
        self.specs.binary_search_by(|have| canonical(have, spec)).ok().map(BarSeriesId::from)
    }
    /// The series of an id.
    #[must_use]
    pub fn get(&self, id: BarSeriesId) -> &BarSpec {
        &self.specs[id.index()]
    }
    /// What a composite is made from.
    #[must_use]
    pub fn base(&self, id: BarSeriesId) -> Option<BarSeriesId> {
        self.bases[id.index()]
    }
    /// The composites made from a series, ascending.
    #[must_use]
    pub fn composites(&self, id: BarSeriesId) -> &[BarSeriesId] {
        &self.composites[id.index()]
    }
    /// All, in id order.
    pub fn iter(&self) -> impl Iterator<Item = (BarSeriesId, &BarSpec)> {
        self.specs.iter().enumerate().map(|(at, spec)| (BarSeriesId::from(at), spec))
    }
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.specs.len()
    }
    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }
}
