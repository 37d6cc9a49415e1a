//! The series of a run.
//!
//! Invariant: the base of a composite has a smaller id than the composite, and [`BarSeriesTable::closing_order`] depends
//! on the set of series only.

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
    /// All at once: ids in canonical order, whatever the order given. A series named twice is one series.
    pub fn freeze(mut specs: Vec<BarSpec>) -> Result<Self, BarError> {
        specs.extend(
            specs
                .iter()
                .filter_map(BarSpec::base)
                .filter(|b| b.shape.source == BarSource::Internal)
                .collect::<Vec<_>>(),
        );
        specs.sort_by(canonical);
        let mut table = Self::default();
        for spec in specs {
            table.insert(spec)?;
        }
        Ok(table)
    }

    /// The id of a series, new or known. The internal base of a composite is added before it if it is missing; a missing
    /// external base is an error, since nobody would deliver it.
    pub fn insert(&mut self, spec: BarSpec) -> Result<BarSeriesId, BarError> {
        if let Some(id) = self.id(&spec) {
            return Ok(id);
        }
        spec.shape.check()?;
        let base = match spec.base() {
            None => None,
            Some(base) if base.shape.source == BarSource::Internal => Some(self.insert(base)?),
            Some(base) => Some(self.id(&base).ok_or_else(|| BarError::MissingBase {
                shape: spec.shape.to_string(),
                base: base.shape.to_string(),
            })?),
        };
        let id = BarSeriesId::from(self.specs.len());
        if let Some(base) = base {
            self.composites[base.index()].push(id);
        }
        self.specs.push(spec);
        self.composites.push(Vec::new());
        self.bases.push(base);
        Ok(id)
    }

    /// The ids in canonical order: by what the series are, not by when they were named. Whoever closes due series in this
    /// order gets the same run however the series were registered, and every base before its composites.
    #[must_use]
    pub fn closing_order(&self) -> Vec<BarSeriesId> {
        let mut ids: Vec<BarSeriesId> = (0..self.specs.len()).map(BarSeriesId::from).collect();
        ids.sort_by(|a, b| canonical(self.get(*a), self.get(*b)));
        ids
    }

    /// The id of a series.
    #[must_use]
    pub fn id(&self, spec: &BarSpec) -> Option<BarSeriesId> {
        self.specs.iter().position(|have| have == spec).map(BarSeriesId::from)
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
