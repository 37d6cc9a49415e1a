//! A seeded random source for simulations: xoshiro256++ (Blackman and Vigna 2019) and normal
//! deviates by the ziggurat.
//!
//! The same seed gives the same bits and uniforms everywhere and always, and the same normals to the
//! rounding of the platform's `exp` and `ln`: the caller brings the seed, and nothing here asks the
//! operating system. Streams of one seed are told apart by number, so work can be cut into chunks
//! whose results do not depend on who computes them. Not for secrets.

use std::sync::OnceLock;

/// Layers of the ziggurat, the start of its tail, and the area of a layer (Marsaglia and Tsang
/// 2000, for 128 layers; the digits are Doornik's 2005).
const LAYERS: usize = 128;
const TAIL_START: f64 = 3.442_619_855_899;
const LAYER_AREA: f64 = 9.912_563_035_262_17e-3;

/// The generator: 256 bits of state, period `2^256 - 1`.
#[derive(Debug, Clone)]
pub struct Xoshiro {
    state: [u64; 4],
    layers: &'static Layers,
}

impl Xoshiro {
    /// Stream 0 of the seed.
    pub fn new(seed: u64) -> Self {
        Self::stream(seed, 0)
    }

    /// Stream `stream` of the seed. Different pairs give unrelated sequences.
    pub fn stream(seed: u64, stream: u64) -> Self {
        // Both steps are bijections, so streams of one seed never share a starting point.
        let mut source = mix(mix(seed.wrapping_add(GOLDEN)) ^ stream);
        let state = std::array::from_fn(|_| {
            source = source.wrapping_add(GOLDEN);
            mix(source)
        });
        Self { state, layers: Layers::shared() }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform in the open interval (0, 1): 52 bits and a half step, so a logarithm of it is always
    /// finite.
    pub fn uniform(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1u64 << 52) as f64;
        ((self.bits() >> 12) as f64 + 0.5) * STEP
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        /// From 53 bits to a step of [-1, 1).
        const STEP: f64 = 1.0 / (1u64 << 52) as f64;
        loop {
            let bits = self.bits();
            // Low bits choose the layer and high bits the place in it: no bit serves both.
            let layer = (bits & (LAYERS as u64 - 1)) as usize;
            let place = (bits >> 11) as f64 * STEP - 1.0;
            let x = place * self.layers.edge[layer];
            if x.abs() < self.layers.edge[layer + 1] {
                return x;
            }
            if layer == 0 {
                return self.tail().copysign(place);
            }
            let (outer, inner) = (self.layers.height[layer], self.layers.height[layer + 1]);
            if outer + self.uniform() * (inner - outer) < (-0.5 * x * x).exp() {
                return x;
            }
        }
    }

    /// Beyond the ziggurat's base (Marsaglia 1964): exact, by rejection from an exponential.
    fn tail(&mut self) -> f64 {
        loop {
            let x = -self.uniform().ln() / TAIL_START;
            let y = -self.uniform().ln();
            if 2.0 * y > x * x {
                return TAIL_START + x;
            }
        }
    }
}

/// Right edges and heights of the layers, from the base upward.
#[derive(Debug)]
struct Layers {
    edge: [f64; LAYERS + 1],
    height: [f64; LAYERS + 1],
}

impl Layers {
    fn shared() -> &'static Self {
        static LAYERS_ONCE: OnceLock<Layers> = OnceLock::new();
        LAYERS_ONCE.get_or_init(Self::build)
    }

    fn build() -> Self {
        let density = |x: f64| (-0.5 * x * x).exp();
        let (mut edge, mut height) = ([0.0; LAYERS + 1], [1.0; LAYERS + 1]);
        // The base is a rectangle of the common area that ends where the tail's share of it is used
        // up.
        edge[0] = LAYER_AREA / density(TAIL_START);
        edge[1] = TAIL_START;
        height[0] = 0.0;
        height[1] = density(TAIL_START);
        for layer in 2..LAYERS {
            height[layer] = height[layer - 1] + LAYER_AREA / edge[layer - 1];
            edge[layer] = (-2.0 * height[layer].ln()).sqrt();
        }
        Self { edge, height }
    }
}

/// Increment of SplitMix64, the golden ratio in 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Output function of SplitMix64 (Steele, Lea and Flood 2014), a bijection.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Golden, assert_all_close, assert_close};
    use super::super::{normal, sample};
    use super::*;

    #[test]
    fn splitmix_equals_the_published_sequence() {
        // Seed 1234567, from the reference implementation.
        let mut source = 1_234_567u64;
        let found: Vec<u64> = (0..5)
            .map(|_| {
                source = source.wrapping_add(GOLDEN);
                mix(source)
            })
            .collect();
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn xoshiro_equals_the_published_sequence() {
        // State 1, 2, 3, 4, from the reference implementation in C.
        let mut random = Xoshiro { state: [1, 2, 3, 4], layers: Layers::shared() };
        let found: Vec<u64> = (0..6).map(|_| random.bits()).collect();
        let expected = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
            9_973_669_472_204_895_162,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_layers_close_at_the_top() {
        let layers = Layers::shared();
        // The last layer must reach the density's peak of one with the area it has.
        let top = layers.height[LAYERS - 1] + LAYER_AREA / layers.edge[LAYERS - 1];
        assert!((top - 1.0).abs() < 1e-9, "{top}");
        assert!(layers.edge.windows(2).all(|w| w[0] > w[1]));
    }

    #[test]
    fn normals_have_the_normal_distribution() {
        const N: usize = 400_000;
        let mut random = Xoshiro::new(42);
        let mut values: Vec<f64> = (0..N).map(|_| random.normal()).collect();
        let n = N as f64;
        assert!(sample::mean(&values).unwrap().abs() < 4.0 / n.sqrt());
        assert!((sample::variance(&values).unwrap() - 1.0).abs() < 4.0 * (2.0 / n).sqrt());
        assert!(sample::skew(&values).unwrap().abs() < 4.0 * (6.0 / n).sqrt());
        assert!(sample::excess_kurtosis(&values).unwrap().abs() < 4.0 * (24.0 / n).sqrt());
        values.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov: 1.95 / sqrt(n) is passed by chance once in a thousand seeds.
        let distance =
            values.iter().enumerate().map(|(i, x)| (normal::cdf(*x) - (i as f64 + 0.5) / n).abs()).fold(0.0, f64::max);
        assert!(distance < 1.95 / n.sqrt(), "{distance}");
        // Beyond the ziggurat's base, where a share of 5.76e-4 lies in both tails together.
        let beyond = values.iter().filter(|x| x.abs() > TAIL_START).count() as f64;
        let expected = n * 2.0 * normal::cdf(-TAIL_START);
        assert!((beyond - expected).abs() < 4.0 * expected.sqrt(), "{beyond} of {expected}");
        // Farther than any layer reaches, so only the tail's own sampler gets there.
        let far = values.iter().filter(|x| x.abs() > 4.0).count() as f64;
        let expected = n * 2.0 * normal::cdf(-4.0);
        assert!((far - expected).abs() < 4.0 * expected.sqrt(), "{far} of {expected}");
    }

    #[test]
    fn seeded_normals_stay_what_they_are() {
        // From a twin in Python. Whoever changes these changes every simulation already published
        // with its seed.
        let golden = Golden::open("random");
        let count = golden.number("/count") as usize;
        let mut random = Xoshiro::stream(42, 3);
        let found: Vec<f64> = (0..count).map(|_| random.normal()).collect();
        assert_all_close(&found[..8], &golden.numbers("/first"));
        assert_close(found[count - 1], golden.number("/last"));
        assert!(found.iter().any(|x| x.abs() > TAIL_START), "the tail was drawn from on the way");
    }

    #[test]
    fn streams_differ_and_uniforms_are_open() {
        let first = |seed, stream| Xoshiro::stream(seed, stream).bits();
        assert_ne!(first(1, 0), first(1, 1));
        assert_ne!(first(1, 0), first(2, 0));
        assert_eq!(first(1, 5), first(1, 5));
        let mut zero = Xoshiro { state: [0; 4], layers: Layers::shared() };
        assert!(zero.uniform() > 0.0, "even of bits that are all zero");
    }
}
