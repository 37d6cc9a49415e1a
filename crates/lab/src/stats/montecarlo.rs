//! Value at risk by simulation of correlated normal returns.
//!
//! On one platform the answer is a pure function of the inputs and the seed: paths are cut into
//! chunks of a fixed size, each chunk draws from its own stream, and results are kept in path
//! order, so the number of threads changes the time and nothing else.

use super::error::{StatsError, check_finite, check_length};
use super::matrix::{SquareMatrix, dot};
use super::random::Xoshiro;
use super::sample::{self, Convention};

/// Paths that share a stream. Part of the result: another size is another set of paths.
const CHUNK: usize = 1024;

/// How many paths, from which seed, on how many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paths {
    /// Paths to simulate, at least one.
    pub count: usize,
    /// Seed of all streams.
    pub seed: u64,
    /// Threads to use, at least one; more than there are chunks are not started.
    pub workers: usize,
}

/// A simulated value at risk, in the unit of the exposures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatedVar {
    /// Minus the `tail` quantile of simulated profits (linear convention).
    pub value_at_risk: f64,
    /// Minus the mean of the profits at or below it.
    pub expected_shortfall: f64,
    /// Order statistics that hold the true quantile of the model with 95 % confidence, as losses,
    /// low and high.
    pub interval: (f64, f64),
}

/// Joint normal distribution of the assets' returns over the horizon.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalReturns {
    means: Vec<f64>,
    factor: SquareMatrix,
}

impl NormalReturns {
    /// Of mean returns and their covariance, which may be singular but not indefinite.
    pub fn new(means: &[f64], covariance: &SquareMatrix) -> Result<Self, StatsError> {
        check_length("means", means, covariance.size())?;
        check_finite("means", means)?;
        Ok(Self { means: means.to_vec(), factor: covariance.semidefinite_cholesky()? })
    }

    /// Profit of each path, in path order: `value` is given the simulated returns of all assets.
    pub fn simulate(&self, paths: Paths, value: impl Fn(&[f64]) -> f64 + Sync) -> Result<Vec<f64>, StatsError> {
        let assets = self.means.len();
        run(paths, |random, profits| {
            let (mut normals, mut returns) = (vec![0.0; assets], vec![0.0; assets]);
            for profit in profits {
                normals.iter_mut().for_each(|z| *z = random.normal());
                for (asset, earned) in returns.iter_mut().enumerate() {
                    *earned = self.means[asset] + dot(&self.factor.row(asset)[..=asset], &normals[..=asset]);
                }
                *profit = value(&returns);
            }
        })
    }

    /// Profit of each path of `exposures` in money per asset, in path order.
    ///
    /// The same paths as [`Self::simulate`] with `sum(exposure * return)`, equal to rounding, but
    /// linear in the number of assets: `w' L z` is `(L' w)' z`.
    pub fn simulate_exposures(&self, exposures: &[f64], paths: Paths) -> Result<Vec<f64>, StatsError> {
        check_length("exposures", exposures, self.means.len())?;
        check_finite("exposures", exposures)?;
        let mut loadings = vec![0.0; exposures.len()];
        for (asset, exposure) in exposures.iter().enumerate() {
            for (loading, entry) in loadings.iter_mut().zip(self.factor.row(asset)) {
                *loading += exposure * entry;
            }
        }
        let mean = dot(exposures, &self.means);
        run(paths, |random, profits| {
            for profit in profits {
                *profit = loadings.iter().fold(mean, |sum, loading| sum + loading * random.normal());
            }
        })
    }

    /// Value at risk of `exposures` at probability `tail`.
    pub fn value_at_risk(&self, exposures: &[f64], tail: f64, paths: Paths) -> Result<SimulatedVar, StatsError> {
        SimulatedVar::of(self.simulate_exposures(exposures, paths)?, tail)
    }
}

impl SimulatedVar {
    /// Of simulated profits, in any order.
    pub fn of(mut profits: Vec<f64>, tail: f64) -> Result<Self, StatsError> {
        if !(tail > 0.0 && tail < 1.0) {
            return Err(StatsError::OutOfRange { what: "tail", value: tail, range: "in (0, 1)" });
        }
        if profits.is_empty() {
            return Err(StatsError::TooFew { what: "profits", needed: 1, found: 0 });
        }
        check_finite("profits", &profits)?;
        let n = profits.len();
        let position = Convention::Linear.position(n, tail);
        // Normal approximation of the binomial number of paths below the true quantile.
        let spread = 1.96 * (n as f64 * tail * (1.0 - tail)).sqrt();
        let rank = |rank: f64| rank.clamp(0.0, (n - 1) as f64);
        let high = -sample::select(&mut profits, rank((position - spread).floor()));
        let low = -sample::select(&mut profits, rank((position + spread).ceil()));
        let value_at_risk = -sample::select(&mut profits, position);
        let worst = &profits[..=position.floor() as usize];
        let expected_shortfall = -worst.iter().sum::<f64>() / worst.len() as f64;
        Ok(Self { value_at_risk, expected_shortfall, interval: (low, high) })
    }
}

/// Fills `paths.count` values chunk by chunk, each chunk from its own stream.
fn run(paths: Paths, fill: impl Fn(&mut Xoshiro, &mut [f64]) + Sync) -> Result<Vec<f64>, StatsError> {
    for (what, value) in [("paths", paths.count), ("workers", paths.workers)] {
        if value == 0 {
            return Err(StatsError::OutOfRange { what, value: 0.0, range: "at least 1" });
        }
    }
    let mut values = vec![0.0; paths.count];
    let workers = paths.workers.min(paths.count.div_ceil(CHUNK));
    let mut shares: Vec<Vec<(u64, &mut [f64])>> = (0..workers).map(|_| Vec::new()).collect();
    for (index, chunk) in values.chunks_mut(CHUNK).enumerate() {
        shares[index % workers].push((index as u64, chunk));
    }
    let work = |share: Vec<(u64, &mut [f64])>| {
        for (stream, chunk) in share {
            fill(&mut Xoshiro::stream(paths.seed, stream), chunk);
        }
    };
    std::thread::scope(|scope| {
        let own = shares.pop();
        for share in shares {
            scope.spawn(|| work(share));
        }
        own.into_iter().for_each(work);
    });
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::super::golden::Golden;
    use super::super::{normal, tail};
    use super::*;

    fn model() -> (NormalReturns, SquareMatrix, Vec<f64>) {
        let covariance = SquareMatrix::new(Golden::open("factor").numbers("/covariance"), 8).unwrap();
        let means: Vec<f64> = (0..8).map(|i| 1e-4 * (i as f64 - 3.0)).collect();
        (NormalReturns::new(&means, &covariance).unwrap(), covariance, means)
    }

    const EXPOSURES: [f64; 8] = [1000.0, -500.0, 250.0, 800.0, 0.0, -300.0, 100.0, 900.0];

    #[test]
    fn agrees_with_the_closed_form_within_its_own_interval() {
        let (model, covariance, means) = model();
        let variance: f64 = (0..8).map(|i| EXPOSURES[i] * dot(covariance.row(i), &EXPOSURES)).sum();
        let (mean, deviation) = (dot(&means, &EXPOSURES), variance.sqrt());
        for level in [0.01, 0.05] {
            let z = normal::quantile(level);
            let exact = -(mean + z * deviation);
            let exact_shortfall = -(mean - deviation * normal::density(z) / level);
            let mut covered = 0;
            for seed in 0..20 {
                let found = model.value_at_risk(&EXPOSURES, level, Paths { count: 20_000, seed, workers: 2 }).unwrap();
                let (low, high) = found.interval;
                assert!(low <= found.value_at_risk && found.value_at_risk <= high);
                assert!((found.value_at_risk / exact - 1.0).abs() < 0.05);
                assert!((found.expected_shortfall / exact_shortfall - 1.0).abs() < 0.05);
                covered += usize::from(low <= exact && exact <= high);
            }
            // 95 % of twenty; fewer than sixteen has a chance of 0.003.
            assert!(covered >= 16, "{covered} of 20 intervals hold the true value");
        }
    }

    #[test]
    fn the_number_of_workers_changes_nothing() {
        let (model, ..) = model();
        let profits =
            |workers| model.simulate_exposures(&EXPOSURES, Paths { count: 5 * CHUNK + 17, seed: 3, workers }).unwrap();
        let alone = profits(1);
        assert!([2, 3, 64].iter().all(|workers| profits(*workers) == alone));
        let other = model.simulate_exposures(&EXPOSURES, Paths { count: 5 * CHUNK + 17, seed: 4, workers: 1 }).unwrap();
        assert_ne!(alone, other);
    }

    #[test]
    fn fewer_paths_are_a_prefix_of_more() {
        let (model, ..) = model();
        let profits = |count| model.simulate_exposures(&EXPOSURES, Paths { count, seed: 3, workers: 2 }).unwrap();
        assert_eq!(profits(CHUNK + 100), profits(3 * CHUNK)[..CHUNK + 100]);
    }

    #[test]
    fn the_linear_shortcut_equals_full_paths() {
        let (model, ..) = model();
        let paths = Paths { count: 3000, seed: 11, workers: 2 };
        let full = model.simulate(paths, |returns| dot(returns, &EXPOSURES)).unwrap();
        for (a, b) in full.iter().zip(model.simulate_exposures(&EXPOSURES, paths).unwrap()) {
            assert!((a - b).abs() < 1e-9);
        }
    }

    #[test]
    fn simulated_returns_have_the_covariance_asked_for() {
        let (model, covariance, _) = model();
        let paths = Paths { count: 40_000, seed: 5, workers: 2 };
        let product = |i: usize, j: usize| {
            let mean = |k: usize| 1e-4 * (k as f64 - 3.0);
            sample::mean(&model.simulate(paths, |r| (r[i] - mean(i)) * (r[j] - mean(j))).unwrap()).unwrap()
        };
        for (i, j) in [(0, 0), (0, 7), (3, 5)] {
            // The error of a covariance entry is sqrt((s_ii s_jj + s_ij^2) / n); four of them.
            let error =
                ((covariance.get(i, i) * covariance.get(j, j) + covariance.get(i, j).powi(2)) / 40_000.0).sqrt();
            assert!((product(i, j) - covariance.get(i, j)).abs() < 4.0 * error);
        }
    }

    #[test]
    fn shortfall_and_var_of_profits_equal_the_historical_ones() {
        let (model, ..) = model();
        let profits = model.simulate_exposures(&EXPOSURES, Paths { count: 999, seed: 1, workers: 1 }).unwrap();
        let found = SimulatedVar::of(profits.clone(), 0.05).unwrap();
        assert_eq!(Some(found.value_at_risk), tail::historical_var(&profits, 0.05, Convention::Linear));
        let expected = tail::historical_cvar(&profits, 0.05, Convention::Linear).unwrap();
        assert!((found.expected_shortfall - expected).abs() < 1e-9);
    }

    #[test]
    fn bad_input_is_named() {
        let (model, covariance, _) = model();
        let paths = Paths { count: 10, seed: 1, workers: 1 };
        assert!(matches!(model.value_at_risk(&[1.0], 0.05, paths), Err(StatsError::Length { .. })));
        assert!(matches!(model.value_at_risk(&EXPOSURES, 0.0, paths), Err(StatsError::OutOfRange { .. })));
        for paths in [Paths { count: 0, ..paths }, Paths { workers: 0, ..paths }] {
            assert!(matches!(model.value_at_risk(&EXPOSURES, 0.05, paths), Err(StatsError::OutOfRange { .. })));
        }
        assert!(matches!(NormalReturns::new(&[0.0; 7], &covariance), Err(StatsError::Length { .. })));
        let nan = model.simulate(paths, |_| f64::NAN).unwrap();
        assert!(matches!(SimulatedVar::of(nan, 0.05), Err(StatsError::NotFinite { .. })));
    }
}
