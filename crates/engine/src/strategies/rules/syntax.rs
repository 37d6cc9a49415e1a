//! The language of conditions: text to tree and back.
//!
//! Invariant: `print(parse(text))` parses to the same tree, and no text panics or recurses deeper than
//! [`DEPTH_MAX`]. Numbers and truths are told apart while parsing, so a tree that exists is well typed. What it
//! deliberately does not do: evaluate.
//!
//! ```text
//! or         = and { "or" and }
//! and        = not { "and" not }
//! not        = "not" not | comparison
//! comparison = sum [ ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) sum ]
//! sum        = product { ( "+" | "-" ) product }
//! product    = factor { ( "*" | "/" ) factor }
//! factor     = "-" factor | primary
//! primary    = number | "(" or ")" | "position" | "entry_price" | "bars_in_position" | "equity"
//!            | ( "crosses_above" | "crosses_below" ) "(" sum "," sum ")"
//!            | feature [ "[" bars ago "]" ]
//! ```
//! A feature is written as everywhere (`EMA(10)`, `BB(20,2).upper`, `close`), in any case; `plus_di(14)` and
//! `minus_di(14)` stand for those outputs of `ADX(14)`.

use std::fmt;

use starling_market::feature::{FeatureSpec, HISTORY_BARS_MAX};

/// Longest text of a condition, in bytes.
pub const TEXT_BYTES_MAX: usize = 4096;
/// Deepest nesting of a condition.
pub const DEPTH_MAX: usize = 64;
/// Operators of a condition: a chain of them is a tree as deep as it is long.
pub const OPERATORS_MAX: usize = 256;
/// Values that judging a condition may need at once.
pub const VALUES_MAX: usize = 32;

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct RuleError {
    /// Where, in characters counted from 1.
    pub column: usize,
    /// What was expected there.
    pub message: String,
}

/// What a condition may ask of the account, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Signed quantity of the position.
    Position,
    /// Its average entry price; undefined if flat.
    EntryPrice,
    /// Bars since it took its stance; 0 if flat.
    BarsInPosition,
    /// Equity of the account; undefined while a price is missing.
    Equity,
}

impl Holding {
    const NAMES: [(&'static str, Self); 4] = [
        ("position", Self::Position),
        ("entry_price", Self::EntryPrice),
        ("bars_in_position", Self::BarsInPosition),
        ("equity", Self::Equity),
    ];
}

/// An operator of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Either.
    Or,
    /// Both.
    And,
    /// Less.
    Less,
    /// Less or equal.
    AtMost,
    /// Greater.
    Greater,
    /// Greater or equal.
    AtLeast,
    /// Equal.
    Equal,
    /// Not equal.
    Unequal,
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// Quotient; undefined by zero.
    Divide,
}

impl Operator {
    // Longer symbols stand before those that they begin with.
    const NAMES: [(&'static str, Self); 12] = [
        ("or", Self::Or),
        ("and", Self::And),
        ("<=", Self::AtMost),
        ("<", Self::Less),
        (">=", Self::AtLeast),
        (">", Self::Greater),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("+", Self::Add),
        ("-", Self::Subtract),
        ("*", Self::Multiply),
        ("/", Self::Divide),
    ];
    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, operator)| *operator == self).expect("every operator has a name").0
    }
    /// How tightly it binds; both operands of a level bind tighter on the right.
    fn level(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Less | Self::AtMost | Self::Greater | Self::AtLeast | Self::Equal | Self::Unequal => COMPARISON,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide => 6,
        }
    }
}

const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const NEGATIVE: u8 = 7;
const PRIMARY: u8 = 8;

/// A condition, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A number, not negative.
    Number(f64),
    /// A feature some bars ago.
    Feature {
        /// The feature.
        spec: FeatureSpec,
        /// Bars ago; 0 is the bar in hand.
        bars_ago: u32,
    },
    /// Something of the account.
    Holding(Holding),
    /// The negative of a number.
    Negative(Box<Self>),
    /// The contrary of a truth.
    Not(Box<Self>),
    /// Two operands.
    Binary(Operator, Box<Self>, Box<Self>),
    /// The first is above (or below) the second, and was not one bar ago.
    Crosses {
        /// Upward.
        above: bool,
        /// What crosses.
        what: Box<Self>,
        /// What is crossed.
        level: Box<Self>,
    },
}

impl Expression {
    /// From text: a condition, true or false.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("a condition has at most {TEXT_BYTES_MAX} bytes, not {}", text.len());
            return Err(RuleError { column: 1, message });
        }
        let mut parser = Parser { text, at: 0, depth: 0, operators: 0 };
        let start = parser.next_at();
        let condition = parser.binary(1)?;
        if !parser.rest().is_empty() {
            return Err(parser.expected("an operator or the end"));
        }
        parser.truth(start, &condition)?;
        let values = condition.values();
        if values > VALUES_MAX {
            let message =
                format!("needs {values} values at once, more than {VALUES_MAX}; write what nests to the left");
            return Err(parser.error(start, message));
        }
        Ok(condition)
    }

    /// True for what is true or false, false for what is a number.
    #[must_use]
    pub fn is_truth(&self) -> bool {
        match self {
            Self::Not(_) | Self::Crosses { .. } => true,
            Self::Binary(operator, ..) => operator.level() <= COMPARISON,
            _ => false,
        }
    }

    /// Values that judging it needs at once: of two operands the second is judged while the first is kept.
    fn values(&self) -> usize {
        match self {
            Self::Number(_) | Self::Feature { .. } | Self::Holding(_) => 1,
            Self::Negative(inner) | Self::Not(inner) => inner.values(),
            Self::Binary(_, left, right) => left.values().max(1 + right.values()),
            // Two comparisons, of which the first leaves its answer.
            Self::Crosses { what, level, .. } => 1 + what.values().max(1 + level.values()),
        }
    }

    fn level(&self) -> u8 {
        match self {
            Self::Binary(operator, ..) => operator.level(),
            Self::Not(_) => NOT,
            Self::Negative(_) => NEGATIVE,
            _ => PRIMARY,
        }
    }

    /// In parentheses if it binds less tightly than `level`.
    fn print(&self, f: &mut fmt::Formatter<'_>, level: u8) -> fmt::Result {
        if self.level() < level {
            return write!(f, "({self})");
        }
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Feature { spec, bars_ago: 0 } => write!(f, "{spec}"),
            Self::Feature { spec, bars_ago } => write!(f, "{spec}[{bars_ago}]"),
            Self::Holding(holding) => {
                f.write_str(Holding::NAMES.iter().find(|(_, h)| h == holding).expect("every holding has a name").0)
            }
            Self::Negative(inner) => {
                f.write_str("-")?;
                inner.print(f, NEGATIVE)
            }
            Self::Not(inner) => {
                f.write_str("not ")?;
                inner.print(f, NOT)
            }
            Self::Binary(operator, left, right) => {
                let level = operator.level();
                // Comparisons do not chain; the others associate to the left.
                left.print(f, if level == COMPARISON { level + 1 } else { level })?;
                write!(f, " {} ", operator.name())?;
                right.print(f, level + 1)
            }
            Self::Crosses { above, what, level } => {
                write!(f, "crosses_{}({what}, {level})", if *above { "above" } else { "below" })
            }
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, 0)
    }
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
    depth: usize,
    operators: usize,
}

impl<'a> Parser<'a> {
    /// What is not read yet, blanks before it left out.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn next_at(&mut self) -> usize {
        self.rest();
        self.at
    }

    fn error(&self, at: usize, message: impl Into<String>) -> RuleError {
        RuleError { column: self.text[..at].chars().count() + 1, message: message.into() }
    }

    fn expected(&mut self, what: &str) -> RuleError {
        let rest = self.rest();
        let word: String = match rest.chars().next() {
            None => return self.error(self.at, format!("expected {what}, found the end")),
            Some(c) if is_word(c) => rest.chars().take_while(|c| is_word(*c)).take(32).collect(),
            Some(c) => c.to_string(),
        };
        self.error(self.at, format!("expected {what}, found `{word}`"))
    }

    /// Takes a symbol or a whole word, in any case.
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest();
        let Some(found) = rest.get(..token.len()) else { return false };
        let is_prefix = token.ends_with(is_word) && rest[token.len()..].starts_with(is_word);
        let taken = found.eq_ignore_ascii_case(token) && !is_prefix;
        if taken {
            self.at += token.len();
        }
        taken
    }

    fn require(&mut self, token: &str) -> Result<(), RuleError> {
        if self.take(token) { Ok(()) } else { Err(self.expected(&format!("`{token}`"))) }
    }

    fn truth(&self, at: usize, expression: &Expression) -> Result<(), RuleError> {
        if expression.is_truth() {
            return Ok(());
        }
        Err(self.error(at, format!("expected a condition, found the number `{expression}`; compare it with something")))
    }

    fn number(&self, at: usize, expression: &Expression) -> Result<(), RuleError> {
        if expression.is_truth() {
            return Err(self.error(at, format!("expected a number, found the condition `{expression}`")));
        }
        Ok(())
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, RuleError>) -> Result<T, RuleError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(self.at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn operator(&mut self, level: u8) -> Option<Operator> {
        let candidates = Operator::NAMES.iter().filter(|(_, operator)| operator.level() == level);
        candidates.into_iter().find(|(name, _)| self.take(name)).map(|(_, operator)| *operator)
    }

    /// Operators of this level and tighter.
    fn binary(&mut self, level: u8) -> Result<Expression, RuleError> {
        match level {
            NOT => {
                if !self.take("not") {
                    return self.binary(COMPARISON);
                }
                let at = self.next_at();
                let inner = self.deeper(|parser| parser.binary(NOT))?;
                self.truth(at, &inner)?;
                Ok(Expression::Not(Box::new(inner)))
            }
            NEGATIVE.. => self.factor(),
            _ => {
                let at = self.next_at();
                let mut left = self.binary(level + 1)?;
                while let Some(operator) = self.operator(level) {
                    let right_at = self.next_at();
                    let right = self.binary(level + 1)?;
                    for (at, operand) in [(at, &left), (right_at, &right)] {
                        if level < NOT { self.truth(at, operand)? } else { self.number(at, operand)? }
                    }
                    left = Expression::Binary(operator, Box::new(left), Box::new(right));
                    self.operators += 1;
                    if self.operators > OPERATORS_MAX {
                        return Err(self.error(right_at, format!("more than {OPERATORS_MAX} operators")));
                    }
                    if level == COMPARISON {
                        break;
                    }
                }
                Ok(left)
            }
        }
    }

    fn factor(&mut self) -> Result<Expression, RuleError> {
        if !self.take("-") {
            return self.primary();
        }
        let at = self.next_at();
        let inner = self.deeper(Self::factor)?;
        self.number(at, &inner)?;
        Ok(Expression::Negative(Box::new(inner)))
    }

    fn primary(&mut self) -> Result<Expression, RuleError> {
        let rest = self.rest();
        match rest.bytes().next() {
            Some(b'(') => {
                self.at += 1;
                let inner = self.deeper(|parser| parser.binary(1))?;
                self.require(")")?;
                Ok(inner)
            }
            Some(b'0'..=b'9' | b'.') => self.literal(),
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.name(),
            _ => Err(self.expected("a number, a feature or `(`")),
        }
    }

    fn literal(&mut self) -> Result<Expression, RuleError> {
        let rest = self.rest();
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut len = digits(rest);
        if rest[len..].starts_with('.') {
            len += 1 + digits(&rest[len + 1..]);
        }
        if let Some(exponent) = rest[len..].strip_prefix(['e', 'E']) {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits(unsigned) > 0 {
                len += 1 + exponent.len() - unsigned.len() + digits(unsigned);
            }
        }
        match rest[..len].parse::<f64>() {
            Ok(number) if number.is_finite() && !rest[len..].starts_with(is_word) => {
                self.at += len;
                Ok(Expression::Number(number))
            }
            _ => Err(self.error(self.at, format!("`{}` is no number", rest.split(' ').next().unwrap_or(rest)))),
        }
    }

    fn name(&mut self) -> Result<Expression, RuleError> {
        for (name, above) in [("crosses_above", true), ("crosses_below", false)] {
            if self.take(name) {
                self.require("(")?;
                let what = self.deeper(Self::operand)?;
                self.require(",")?;
                let level = self.deeper(Self::operand)?;
                self.require(")")?;
                return Ok(Expression::Crosses { above, what: Box::new(what), level: Box::new(level) });
            }
        }
        for (name, holding) in Holding::NAMES {
            if self.take(name) {
                return Ok(Expression::Holding(holding));
            }
        }
        for word in ["and", "or", "not"] {
            if self.take(word) {
                self.at -= word.len();
                return Err(self.expected("a number, a feature or `(`"));
            }
        }
        let at = self.at;
        let text = self.feature_text();
        let spec = match ALIASES.iter().find(|(alias, ..)| starts_with_word(text, alias)) {
            Some((alias, name, output)) => format!("{name}{}.{output}", &text[alias.len()..]).parse::<FeatureSpec>(),
            None => text.parse(),
        };
        let spec = spec.map_err(|e| self.error(at, e.to_string()))?;
        let mut bars_ago = 0;
        if self.take("[") {
            let at = self.next_at();
            let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
            let number = self.text[at..at + digits].parse::<u32>();
            let max = HISTORY_BARS_MAX - 2;
            bars_ago = number
                .ok()
                .filter(|n| *n as usize <= max)
                .ok_or_else(|| self.error(at, format!("expected a number of bars ago, 0 to {max}")))?;
            self.at += digits;
            self.require("]")?;
        }
        Ok(Expression::Feature { spec, bars_ago })
    }

    /// A number within `crosses_above(what, level)`.
    fn operand(&mut self) -> Result<Expression, RuleError> {
        let at = self.next_at();
        let operand = self.binary(1)?;
        self.number(at, &operand)?;
        Ok(operand)
    }

    /// `NAME [(...)] [.output]`, as it stands.
    fn feature_text(&mut self) -> &'a str {
        let rest = self.rest();
        let word = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
        let mut len = word(rest);
        if rest[len..].trim_start().starts_with('(') {
            len = rest.find(')').map_or(rest.len(), |close| close + 1);
        }
        if rest[len..].starts_with('.') {
            len += 1 + word(&rest[len + 1..]);
        }
        self.at += len;
        &rest[..len]
    }
}

/// Lines that are an output of another indicator, under the names that textbooks give them.
const ALIASES: [(&str, &str, &str); 2] = [("plus_di", "ADX", "plus_di"), ("minus_di", "ADX", "minus_di")];

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
        && !text[word.len()..].starts_with(is_word)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
