//! Rules: a strategy written in the configuration, as conditions over features.
//!
//! `enter_long = "adx(14) > 25 and plus_di(14) > minus_di(14)"` is a tree ([`Expression`]), compiled once into a flat
//! program of a stack machine. Invariant: a bar costs no allocation, and a condition with an undefined part (a feature
//! that is not ready, an entry price without a position, a division by zero) is false as a whole. Each condition is
//! judged at each bar: from flat, `enter_long` and `enter_short` open (neither, if both hold or the exit of that side
//! does); a long position turns on `enter_short` and ends on `exit_long`; a short one likewise.

mod syntax;

use serde::{Deserialize, Serialize};
use starling_market::feature::FeatureId;

pub use syntax::{DEPTH_MAX, Expression, Holding, OPERATORS_MAX, Operator, RuleError, TEXT_BYTES_MAX, VALUES_MAX};

use super::parameter::Faults;
use super::signal::{FeatureSetup, Market, Rule, View};
use super::sizing::Sizing;
use super::target::{Execution, Stance};
use crate::strategy::StrategyError;

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The instrument, as `USD/JPY.SIM`.
    pub instrument: String,
    /// The series of bars, as `15m bid internal`.
    pub bars: String,
    /// The condition that opens a long position, or turns a short one.
    #[serde(default)]
    pub enter_long: Option<String>,
    /// The condition that closes a long position.
    #[serde(default)]
    pub exit_long: Option<String>,
    /// The condition that opens a short position, or turns a long one.
    #[serde(default)]
    pub enter_short: Option<String>,
    /// The condition that closes a short position.
    #[serde(default)]
    pub exit_short: Option<String>,
    /// How large a position is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

impl Rules {
    fn conditions(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("enter_long", self.enter_long.as_deref()),
            ("exit_long", self.exit_long.as_deref()),
            ("enter_short", self.enter_short.as_deref()),
            ("exit_short", self.exit_short.as_deref()),
        ]
    }
}

/// The conditions, compiled; one that is left out never holds.
#[derive(Debug)]
pub struct Features {
    enter_long: Program,
    exit_long: Program,
    enter_short: Program,
    exit_short: Program,
}

impl Rule for Rules {
    type Features = Features;
    type State = ();

    fn market(&self) -> Market<'_> {
        Market { instrument: &self.instrument, bars: &self.bars, size: &self.size, execution: &self.execution }
    }

    fn check(&self, faults: &mut Faults) {
        for (name, text) in self.conditions() {
            if let Some(Err(error)) = text.map(Expression::parse) {
                let value = format_args!("`{}`", text.unwrap_or_default());
                faults.require(false, name, value, format_args!("a condition ({error})"));
            }
        }
        let entry = self.enter_long.is_some() || self.enter_short.is_some();
        faults.require(entry, "enter_long", "left out", "given, unless enter_short is");
        for (exit, name, entry) in
            [(&self.exit_long, "exit_long", &self.enter_long), (&self.exit_short, "exit_short", &self.enter_short)]
        {
            let requirement = "left out where nothing enters on that side";
            faults.require(exit.is_none() || entry.is_some(), name, "given", requirement);
        }
    }

    fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<Features, StrategyError> {
        let mut compile = |text: &Option<String>| match text {
            Some(text) => Program::compile(&Expression::parse(text)?, features),
            None => Ok(Program::default()),
        };
        Ok(Features {
            enter_long: compile(&self.enter_long)?,
            exit_long: compile(&self.exit_long)?,
            enter_short: compile(&self.enter_short)?,
            exit_short: compile(&self.exit_short)?,
        })
    }

    fn decide(&self, features: &Features, _state: &mut (), view: &View<'_>) -> Option<Stance> {
        let Features { enter_long, exit_long, enter_short, exit_short } = features;
        match view.stance() {
            Stance::Long if enter_short.holds(view) => Some(Stance::Short),
            Stance::Long => exit_long.holds(view).then_some(Stance::Flat),
            Stance::Short if enter_long.holds(view) => Some(Stance::Long),
            Stance::Short => exit_short.holds(view).then_some(Stance::Flat),
            Stance::Flat => {
                let long = enter_long.holds(view) && !exit_long.holds(view);
                let short = enter_short.holds(view) && !exit_short.holds(view);
                match (long, short) {
                    (true, false) => Some(Stance::Long),
                    (false, true) => Some(Stance::Short),
                    // Flat is what is wanted, not only what is: a protective exit no longer bars the way.
                    (false, false) => Some(Stance::Flat),
                    (true, true) => None,
                }
            }
        }
    }
}

/// One step of the stack machine. Truths are 1 and 0.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Number(f64),
    Feature(FeatureId),
    Past(FeatureId, u32),
    Holding(Holding),
    Negative,
    Not,
    Binary(Operator),
}

/// A condition as a list of steps.
#[derive(Debug, Default, PartialEq)]
struct Program(Vec<Step>);

impl Program {
    fn compile(condition: &Expression, features: &mut FeatureSetup<'_, '_>) -> Result<Self, StrategyError> {
        let mut program = Self::default();
        program.append(condition, 0, features)?;
        let mut values = 0_usize;
        for step in &program.0 {
            match step {
                Step::Binary(_) => values -= 1,
                Step::Negative | Step::Not => {}
                _ => values += 1,
            }
            assert!(values <= VALUES_MAX, "the parser bounds the values of a condition");
        }
        assert_eq!(values, 1, "a condition leaves one truth");
        Ok(program)
    }

    /// The steps of `expression` as it was `back` bars ago.
    fn append(
        &mut self,
        expression: &Expression,
        back: u32,
        features: &mut FeatureSetup<'_, '_>,
    ) -> Result<(), StrategyError> {
        match expression {
            Expression::Number(number) => self.0.push(Step::Number(*number)),
            Expression::Holding(holding) => self.0.push(Step::Holding(*holding)),
            Expression::Feature { spec, bars_ago } => {
                let (spec, back) = (spec.to_string(), bars_ago + back);
                self.0.push(match back {
                    0 => Step::Feature(features.feature(&spec)?),
                    _ => Step::Past(features.feature_with_history(&spec, back as usize + 1)?, back),
                });
            }
            Expression::Negative(inner) | Expression::Not(inner) => {
                self.append(inner, back, features)?;
                let negative = matches!(expression, Expression::Negative(_));
                self.0.push(if negative { Step::Negative } else { Step::Not });
            }
            Expression::Binary(operator, left, right) => {
                self.append(left, back, features)?;
                self.append(right, back, features)?;
                self.0.push(Step::Binary(*operator));
            }
            Expression::Crosses { above, what, level } => {
                let now = if *above { Operator::Greater } else { Operator::Less };
                let before = if *above { Operator::AtMost } else { Operator::AtLeast };
                for (operator, back) in [(now, back), (before, back + 1)] {
                    self.append(what, back, features)?;
                    self.append(level, back, features)?;
                    self.0.push(Step::Binary(operator));
                }
                self.0.push(Step::Binary(Operator::And));
            }
        }
        Ok(())
    }

    fn holds(&self, view: &View<'_>) -> bool {
        self.run(view) == Some(1.0)
    }

    fn run(&self, view: &View<'_>) -> Option<f64> {
        let mut stack = [0.0_f64; VALUES_MAX];
        let mut len = 0;
        for step in &self.0 {
            let value = match *step {
                Step::Number(number) => number,
                Step::Feature(id) => view.feature(id)?,
                Step::Past(id, back) => view.feature_at(id, back as usize)?,
                Step::Holding(holding) => match holding {
                    Holding::Position => view.position.to_f64(),
                    Holding::EntryPrice => view.entry()?,
                    Holding::BarsInPosition => view.bars_in_position as f64,
                    Holding::Equity => view.equity()?,
                },
                Step::Negative => {
                    len -= 1;
                    -stack[len]
                }
                Step::Not => {
                    len -= 1;
                    1.0 - stack[len]
                }
                Step::Binary(operator) => {
                    len -= 2;
                    operate(operator, stack[len], stack[len + 1])
                }
            };
            if !value.is_finite() {
                return None;
            }
            stack[len] = value;
            len += 1;
        }
        (len == 1).then_some(stack[0])
    }
}

fn operate(operator: Operator, a: f64, b: f64) -> f64 {
    let truth = |holds: bool| f64::from(u8::from(holds));
    match operator {
        Operator::Or => a.max(b),
        Operator::And => a.min(b),
        Operator::Less => truth(a < b),
        Operator::AtMost => truth(a <= b),
        Operator::Greater => truth(a > b),
        Operator::AtLeast => truth(a >= b),
        Operator::Equal => truth(a == b),
        Operator::Unequal => truth(a != b),
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
    }
}

#[cfg(test)]
mod tests;
