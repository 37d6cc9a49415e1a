//! The table of checks. One row makes the deny code, the configuration key, its default, and a line of `docs/risk.md`.
//!
//! Invariant: name = configuration key = deny code. A check that is not in this table does not exist.
//! What it deliberately does not do: evaluate anything; that is the gate's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use starling_core::{Money, Qty, Rate};

use super::limits::{
    DuplicateOrder, Funds, MessageRate, PriceCollar, PriceCollarWindow, RepeatExecution, SelfTrade, SessionHours,
};

/// What a check looks at, and so what its limit is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One order by itself.
    Order,
    /// All own orders and the market of an instrument.
    Instrument,
    /// All orders of a strategy.
    Strategy,
    /// All orders and positions of an account.
    Account,
    /// All messages to a venue.
    Venue,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "order",
            Self::Instrument => "instrument",
            Self::Strategy => "strategy",
            Self::Account => "account",
            Self::Venue => "venue",
        })
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Name, configuration key and text of the deny code.
    pub name: &'static str,
    /// The code it denies with.
    pub code: DenyCode,
    /// The rule it answers: RTS 6 is EU 2017/589, 15c3-5 is the SEC's market access rule.
    pub rule: &'static str,
    /// What it is counted over.
    pub scope: Scope,
    /// True if it can be set per instrument, under `risk.instruments."SYMBOL"`.
    pub per_instrument: bool,
    /// The parameter's type; empty if there is none to set.
    pub parameter: &'static str,
    /// A value as TOML; empty if there is none to set.
    pub example: &'static str,
    /// What is measured and how it stands to the limit in a denial: "order quantity", "above".
    pub words: (&'static str, &'static str),
    /// What it does.
    pub doc: &'static str,
}

macro_rules! check_table {
    (
        instrument { $(
            $(#[doc = $idoc:literal])+
            $ikey:ident: $icode:ident($ity:ty | $iover:ty) = $idefault:expr, schema($isch:literal | $iosch:literal), $iscope:ident,
            rule $irule:literal, words($isubject:literal, $irelation:literal), example $iexample:literal;
        )* }
        engine { $(
            $(#[doc = $edoc:literal])+
            $ekey:ident: $ecode:ident($ety:ty) = $edefault:expr, schema($esch:literal), $escope:ident,
            rule $erule:literal, words($esubject:literal, $erelation:literal), example $eexample:literal;
        )* }
        always { $(
            $(#[doc = $adoc:literal])+
            $akey:ident: $acode:ident, $ascope:ident, rule $arule:literal, words($asubject:literal, $arelation:literal);
        )* }
    ) => {
        /// Why the gate refused: the name of the check.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum DenyCode {
            $( $(#[doc = $idoc])+ $icode, )*
            $( $(#[doc = $edoc])+ $ecode, )*
            $( $(#[doc = $adoc])+ $acode, )*
        }

        /// The limits of a run. Money is in the account's reporting currency unless said otherwise; a limit is the
        /// largest (or smallest) value that still passes.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(default, deny_unknown_fields)]
        pub struct RiskLimits {
            $( $(#[doc = $idoc])+ #[cfg_attr(feature = "schema", schemars(with = $isch))] pub $ikey: $ity, )*
            $( $(#[doc = $edoc])+ #[cfg_attr(feature = "schema", schemars(with = $esch))] pub $ekey: $ety, )*
            /// Limits of single instruments, by symbol; what is not set here comes from the fields above.
            pub instruments: BTreeMap<String, InstrumentLimits>,
        }

        impl Default for RiskLimits {
            fn default() -> Self {
                Self {
                    $( $ikey: $idefault, )*
                    $( $ekey: $edefault, )*
                    instruments: BTreeMap::new(),
                }
            }
        }

        /// Limits of one instrument that differ from those of the run. To lift a limit for an instrument, set a large one.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(default, deny_unknown_fields)]
        pub struct InstrumentLimits {
            $( $(#[doc = $idoc])+ #[cfg_attr(feature = "schema", schemars(with = $iosch))] pub $ikey: Option<$iover>, )*
        }

        impl RiskLimits {
            /// These limits with those of one instrument laid over.
            pub(super) fn overlaid(&self, over: &InstrumentLimits) -> Self {
                let mut merged = Self { instruments: BTreeMap::new(), ..self.clone() };
                $( if let Some(value) = &over.$ikey { merged.$ikey = value.clone().into(); } )*
                merged
            }
        }

        /// Every check there is.
        pub const CHECKS: &[Check] = &[
            $( Check {
                name: stringify!($ikey), code: DenyCode::$icode, rule: $irule, scope: Scope::$iscope, per_instrument: true,
                parameter: stringify!($ity), example: $iexample, words: ($isubject, $irelation), doc: concat!($($idoc),+),
            }, )*
            $( Check {
                name: stringify!($ekey), code: DenyCode::$ecode, rule: $erule, scope: Scope::$escope, per_instrument: false,
                parameter: stringify!($ety), example: $eexample, words: ($esubject, $erelation), doc: concat!($($edoc),+),
            }, )*
            $( Check {
                name: stringify!($akey), code: DenyCode::$acode, rule: $arule, scope: Scope::$ascope, per_instrument: false,
                parameter: "", example: "", words: ($asubject, $arelation), doc: concat!($($adoc),+),
            }, )*
        ];
    };
}

check_table! {
    instrument {
        /// The limit price stays within `bps` of the reference (a conditional order's limit: of where it wakes); without
        /// a reference younger than `reference_age_ns_max` nothing passes, market orders included.
        price_collar: PriceCollar(Option<PriceCollar> | PriceCollar) = None,
            schema("Option<PriceCollar>" | "Option<PriceCollar>"), Order,
            rule "RTS 6 art. 15(1)(a); 15c3-5 price sanity", words("distance from the reference price", "above"),
            example "{ bps = 500, reference_age_ns_max = 5_000_000_000 }";
        /// Own limit prices of one side move by at most `bps` within `window_ns` (watched for up to a quarter longer).
        price_collar_window: PriceCollarWindow(Option<PriceCollarWindow> | PriceCollarWindow) = None,
            schema("Option<PriceCollarWindow>" | "Option<PriceCollarWindow>"), Instrument,
            rule "RTS 6 art. 15(1)(a), over a period", words("drift of own prices within the window", "above"),
            example "{ bps = 1_000, window_ns = 60_000_000_000 }";
        /// Largest value of one order at its worst price.
        order_notional_max: OrderNotionalMax(Option<Money> | Money) = None,
            schema("Option<String>" | "Option<String>"), Order,
            rule "RTS 6 art. 15(1)(b); 15c3-5", words("order value", "above"),
            example "\"250000\"";
        /// Largest quantity of one order; the instrument's own maximum always holds.
        order_qty_max: OrderQtyMax(Option<Qty> | Qty) = None,
            schema("Option<String>" | "Option<String>"), Order,
            rule "RTS 6 art. 15(1)(c)", words("order quantity", "above"),
            example "\"10\"";
        /// Smallest quantity of one order; the instrument's own minimum always holds, and no order is zero or negative.
        order_qty_min: OrderQtyMin(Option<Qty> | Qty) = None,
            schema("Option<String>" | "Option<String>"), Order,
            rule "RTS 6 art. 15(1)(c)", words("order quantity", "below"),
            example "\"0.001\"";
        /// Prices are whole ticks and quantities whole lots.
        tick_lot_valid: TickLotValid(bool | bool) = true,
            schema("bool" | "Option<bool>"), Order,
            rule "RTS 6 art. 15(1)(c)", words("price or quantity", "not a multiple of"),
            example "true";
        /// Smallest value of one order in the quote currency, but for reduce-only ones; the instrument's own minimum
        /// always holds.
        notional_min: NotionalMin(Option<Money> | Money) = None,
            schema("Option<String>" | "Option<String>"), Order,
            rule "venue rules", words("order value", "below"),
            example "\"10\"";
        /// No second order of a strategy with the same instrument, side, prices and quantity within `window_ns`. A client
        /// order id is never used twice, set or not.
        duplicate_order: DuplicateOrder(Option<DuplicateOrder> | DuplicateOrder) = None,
            schema("Option<DuplicateOrder>" | "Option<DuplicateOrder>"), Strategy,
            rule "15c3-5 duplicative orders", words("time since the same order was sent", "within"),
            example "{ window_ns = 1_000_000_000 }";
        /// Largest net position, long or short, if every open order of the order's side fills.
        net_position_max: NetPositionMax(Option<Qty> | Qty) = None,
            schema("Option<String>" | "Option<String>"), Instrument,
            rule "15c3-5 capital; RTS 6 art. 15(2)", words("worst-case net position", "above"),
            example "\"50\"";
        /// Own orders do not trade with each other: the new one is refused, or the resting ones are cancelled first.
        self_trade: SelfTrade(Option<SelfTrade> | SelfTrade) = None,
            schema("Option<SelfTrade>" | "Option<SelfTrade>"), Instrument,
            rule "venue rules", words("own orders in the way", "above"),
            example "\"reject\"";
        /// Orders pass only within the hours (UTC) on the days given.
        session_hours: SessionHours(Option<SessionHours> | SessionHours) = None,
            schema("Option<SessionHours>" | "Option<SessionHours>"), Instrument,
            rule "15c3-5 regulatory", words("time of the order", "outside"),
            example "{ days = [1, 2, 3, 4, 5], open_minute = 870, close_minute = 1_260 }";
        /// No order while the venue halts or closes the instrument. A halt by command holds, set or not.
        halt_state: HaltState(bool | bool) = true,
            schema("bool" | "Option<bool>"), Instrument,
            rule "15c3-5 regulatory", words("trading status", "not"),
            example "true";
        /// No post-only order that would trade at once by the quote as seen.
        post_only_cross: PostOnlyCross(bool | bool) = false,
            schema("bool" | "Option<bool>"), Order,
            rule "–", words("price of a post-only order", "at or through"),
            example "true";
        /// No new risk while the reference is older than this, in nanoseconds.
        stale_data_max: StaleDataMax(Option<u64> | u64) = None,
            schema("Option<u64>" | "Option<u64>"), Instrument,
            rule "RTS 6 art. 15(1)(a)", words("age of the reference", "above"),
            example "2_000_000_000";
    }
    engine {
        /// Messages (submit, amend, cancel) per venue and per strategy: token buckets on event time. Cancels may use the
        /// last `cancel_reserve` tokens, which nothing else may, and are never refused unless `refuse_cancels` is set.
        message_rate_max: MessageRateMax(Option<MessageRate>) = Some(MessageRate::default()),
            schema("Option<MessageRate>"), Venue,
            rule "RTS 6 art. 15(1)(d)", words("tokens in the bucket", "not above those kept for cancels,"),
            example "{ venue = { per_second = 50, burst = 100 }, strategy = { per_second = 10, burst = 20 }, cancel_reserve = 5, refuse_cancels = false }";
        /// A strategy that executes `executions` times within `window_ns` is disabled until a command enables it.
        repeat_execution_throttle: RepeatExecutionThrottle(Option<RepeatExecution>) = None,
            schema("Option<RepeatExecution>"), Strategy,
            rule "RTS 6 art. 15(3)", words("executions within the window", "at least"),
            example "{ executions = 100, window_ns = 60_000_000_000 }";
        /// Largest value of what was executed since midnight UTC and of all open orders at worst case.
        credit_max: CreditMax(Option<Money>) = None,
            schema("Option<String>"), Account,
            rule "15c3-5 credit; RTS 6 art. 15(2)", words("credit used with this order", "above"),
            example "\"1000000\"";
        /// Largest sum of position values and of what open orders would add to it at worst case.
        gross_notional_max: GrossNotionalMax(Option<Money>) = None,
            schema("Option<String>"), Account,
            rule "15c3-5 capital; RTS 6 art. 15(2)", words("worst-case gross value", "above"),
            example "\"500000\"";
        /// Largest ratio of worst-case gross value to equity.
        leverage_max: LeverageMax(Option<Rate>) = None,
            schema("Option<String>"), Account,
            rule "15c3-5 capital; RTS 6 art. 15(2)", words("worst-case leverage", "above"),
            example "\"3\"";
        /// Smallest margin left free in a margin account, if open orders fill at worst case.
        margin_free_min: MarginFreeMin(Option<Money>) = Some(Money::ZERO),
            schema("Option<String>"), Account,
            rule "15c3-5 capital; RTS 6 art. 15(2)", words("free margin after the order", "below"),
            example "\"1000\"";
        /// In a cash account a purchase needs its price and fee, a sale what is sold, both free of other open orders.
        insufficient_funds: InsufficientFunds(Funds) = Funds::default(),
            schema("Funds"), Account,
            rule "15c3-5 capital; RTS 6 art. 15(2)", words("free balance", "below"),
            example "{ check = true, allow_short = false, allow_borrowing = false, market_buffer_bps = 50 }";
        /// Equity falls by at most this below that of midnight UTC (or of the last arming); beyond it only reducing
        /// orders pass.
        daily_loss_max: DailyLossMax(Option<Money>) = None,
            schema("Option<String>"), Account,
            rule "prudence", words("loss of the day", "above"),
            example "\"5000\"";
        /// Equity falls by at most this many basis points below its peak (since the last arming); beyond it only
        /// reducing orders pass.
        drawdown_max: DrawdownMax(Option<u32>) = None,
            schema("Option<u32>"), Account,
            rule "prudence", words("drawdown", "above"),
            example "2_000";
        /// Symbols that are not traded.
        restricted_list: RestrictedList(BTreeSet<String>) = BTreeSet::new(),
            schema("BTreeSet<String>"), Instrument,
            rule "15c3-5 regulatory", words("the instrument", "on"),
            example "[\"GME\"]";
        /// A reduce-only order has a position to reduce.
        reduce_only_valid: ReduceOnlyValid(bool) = true,
            schema("bool"), Order,
            rule "–", words("position that the order could reduce", "below"),
            example "true";
        /// No new risk while our clock and the venue's differ by more than this, in nanoseconds.
        clock_skew_max: ClockSkewMax(Option<u64>) = None,
            schema("Option<u64>"), Venue,
            rule "RTS 25 (EU 2017/574)", words("clock difference", "above"),
            example "1_000_000_000";
        /// No new risk while more than this many orders have an unknown outcome.
        unknown_orders_max: UnknownOrdersMax(Option<u32>) = None,
            schema("Option<u32>"), Account,
            rule "RTS 6 art. 15", words("orders of unknown outcome", "above"),
            example "3";
        /// Most open orders of an account.
        open_orders_max: OpenOrdersMax(Option<u32>) = None,
            schema("Option<u32>"), Account,
            rule "RTS 6 art. 15(1)(d)", words("open orders with this one", "above"),
            example "200";
    }
    always {
        /// Orders pass as the engine's state, the strategy and the operator allow: a kill is latched until a person arms
        /// the engine again.
        kill: Kill, Order, rule "RTS 6 art. 12", words("state", "not");
        /// Only an open order is amended.
        order_open: OrderOpen, Order, rule "–", words("the order to amend", "not");
    }
}

impl DenyCode {
    /// Its row in the table.
    #[must_use]
    pub fn check(self) -> &'static Check {
        // Rows stand in the order of the variants, which a test holds.
        &CHECKS[self as usize]
    }
    /// The check's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.check().name
    }
}

impl fmt::Display for DenyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
