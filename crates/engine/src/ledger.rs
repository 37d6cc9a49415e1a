//! The ledger: double-entry books of every account, and the positions they stem from.
//!
//! Invariant: each transaction sums to zero per currency; every amount is rounded once, to its currency, by the
//! account's named policy; an operation that fails has changed nothing. Ids and order come from the frozen tables, so
//! the order in which accounts were declared changes nothing.
//!
//! What it deliberately does not do: decide. Whether an account may borrow, sell short or trade at all is the risk
//! gate's business; a fill is a fact, and is booked. It reads no clock and knows prices only from the [`Marks`] it is
//! handed. A chart of accounts with worked examples stands in `docs/ledger.md`.

mod account;
mod fx;
mod position;
mod posting;
mod valuation;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use starling_core::event::Funding;
use starling_core::fixed::SCALE;
use starling_core::{
    AccountId, CurrencyId, CurrencyTable, Fill, InstrumentId, InstrumentTable, Money, PositionId, Price, Qty, Rate,
    Side, StrategyId, UnixNanos,
};

use crate::marks::{Mark, Marks};

pub use account::{AccountKind, AccountSpec, CostMethod, PositionMode, Settling, Totals};
pub use fx::{FxSide, Valuation};
pub use position::{Lot, Position};
pub use posting::{AdjustmentReason, LedgerAccount, Posting, TrialBalance};

use account::{AccountState, OpenPosition};
use fx::{FxFault, FxRoutes};
use position::{Change, Terms};
use posting::{Flow, Transaction};

/// Why something could not be booked. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Two accounts of one name.
    #[error("account `{name}` is declared twice; rename one of the two")]
    DuplicateAccount {
        /// The name.
        name: String,
    },
    /// An account cannot be kept as declared.
    #[error("account `{name}`: {field} is {value}, but must be {requirement}")]
    Field {
        /// The account.
        name: String,
        /// The field.
        field: &'static str,
        /// The value found.
        value: String,
        /// What is allowed.
        requirement: &'static str,
    },
    /// No such account.
    #[error("account {} is not in the ledger, which holds {known}", account.0)]
    UnknownAccount {
        /// The id.
        account: AccountId,
        /// How many there are.
        known: usize,
    },
    /// No such instrument.
    #[error("instrument {} is not in the table of {known}", instrument.0)]
    UnknownInstrument {
        /// The id.
        instrument: InstrumentId,
        /// How many there are.
        known: usize,
    },
    /// No such currency.
    #[error("currency {} is not in the table of {known}", currency.0)]
    UnknownCurrency {
        /// The id.
        currency: CurrencyId,
        /// How many there are.
        known: usize,
    },
    /// An instrument of another venue than the account's.
    #[error("`{symbol}` trades at another venue than account `{account}`; book it in an account of that venue")]
    WrongVenue {
        /// The account's name.
        account: String,
        /// The instrument's symbol.
        symbol: String,
    },
    /// A fill of nothing, or of less.
    #[error("fill {trade_id} of `{symbol}` has quantity {qty}; the venue must report a positive one")]
    Quantity {
        /// The execution.
        trade_id: u64,
        /// The instrument's symbol.
        symbol: String,
        /// The quantity.
        qty: Qty,
    },
    /// An inverse contract at a price that is not positive.
    #[error("`{symbol}` is inverse and was priced {price}; it has a value at positive prices only")]
    InversePrice {
        /// The instrument's symbol.
        symbol: String,
        /// The price.
        price: Price,
    },
    /// A pair in a cash account that does not say what is bought.
    #[error("pair `{symbol}` names no base currency, so a cash account cannot receive it; declare `base`")]
    NoBase {
        /// The instrument's symbol.
        symbol: String,
    },
    /// A fill that names a position which does not exist, or is another account's or instrument's.
    #[error("fill {trade_id} of `{symbol}` names position {}, which is no position of that account and instrument",
        position.0)]
    UnknownPosition {
        /// The execution.
        trade_id: u64,
        /// The instrument's symbol.
        symbol: String,
        /// The position named.
        position: PositionId,
    },
    /// Nothing connects two currencies.
    #[error("no pair, and no two pairs, convert {from} to {to}; add an instrument that does")]
    NoRoute {
        /// The currency there is.
        from: String,
        /// The currency wanted.
        to: String,
    },
    /// A pair needed for a conversion has no price yet.
    #[error("{from} to {to} needs a positive price of `{pair}`; feed it before trading")]
    NoRate {
        /// The currency there is.
        from: String,
        /// The currency wanted.
        to: String,
        /// The pair's symbol.
        pair: String,
    },
    /// A funding payment without a price.
    #[error("funding of `{symbol}` carries no mark price and none was seen; feed one first")]
    NoMark {
        /// The instrument's symbol.
        symbol: String,
    },
    /// A result too large for its type.
    #[error("{what} of `{symbol}` exceeds the range of the ledger; trade a smaller quantity")]
    OutOfRange {
        /// What was computed.
        what: &'static str,
        /// The instrument's symbol.
        symbol: String,
    },
    /// A snapshot of other accounts, instruments or currencies.
    #[error("the snapshot holds {found} {what}, this run has {expected}; restore it with the tables it was taken with")]
    SnapshotMismatch {
        /// What differs.
        what: &'static str,
        /// In the snapshot.
        found: usize,
        /// In this run.
        expected: usize,
    },
}

/// What a fill did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillOutcome {
    /// The position it changed.
    pub position: PositionId,
    /// Profit of the closed part, before commission, in `currency`.
    pub realised: Money,
    /// The account's base, or the instrument's settlement currency.
    pub currency: CurrencyId,
    /// Commission, positive is paid, in `fee_currency`.
    pub fee: Money,
    /// The account's base, or the currency the venue charged.
    pub fee_currency: CurrencyId,
    /// The position before, signed.
    pub qty_before: Qty,
    /// The position after, signed.
    pub qty_after: Qty,
    /// It left zero, perhaps to the other side.
    pub opened: bool,
    /// It reached or passed zero.
    pub closed: bool,
}

/// One (account, instrument).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Slot {
    net: Qty,
    /// Netting only: one position per strategy, sorted.
    by_strategy: Vec<(StrategyId, PositionId)>,
}

/// All that changes: what a snapshot holds. The tables it refers to stand in the run's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerState {
    names: Vec<String>,
    instruments: usize,
    accounts: Vec<AccountState>,
    /// By account, then instrument.
    slots: Vec<Slot>,
    /// By id, less one.
    positions: Vec<Position>,
    transactions: u64,
}

/// The books of a run.
#[derive(Debug, Clone)]
pub struct Ledger {
    specs: Vec<AccountSpec>,
    instruments: Arc<InstrumentTable>,
    currencies: Arc<CurrencyTable>,
    terms: Vec<Terms>,
    /// By account; those of one venue share theirs.
    routes: Vec<Arc<FxRoutes>>,
    state: LedgerState,
}

impl Ledger {
    /// Gives back room beyond the positions there ever were.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.state.positions.shrink_to_fit();
    }

    /// Opens the books. Accounts are put in canonical order (venue, name), whose place is their [`AccountId`].
    pub fn new(
        mut accounts: Vec<AccountSpec>,
        instruments: Arc<InstrumentTable>,
        currencies: Arc<CurrencyTable>,
    ) -> Result<Self, LedgerError> {
        accounts.sort_by(|a, b| a.venue.cmp(&b.venue).then_with(|| a.name.cmp(&b.name)));
        let mut names: Vec<&str> = accounts.iter().map(|a| a.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twin) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LedgerError::DuplicateAccount { name: twin[0].to_owned() });
        }
        for spec in &accounts {
            check(spec, &instruments, &currencies)?;
        }
        let states = (accounts.iter())
            .map(|spec| {
                let mut books = vec![TrialBalance::default(); currencies.len()];
                for &(currency, amount) in &spec.opening {
                    books[currency.index()].cash += amount;
                    books[currency.index()].opening -= amount;
                }
                let totals = vec![Totals::default(); currencies.len()];
                AccountState { books, totals, strategies: Vec::new(), open: Vec::new(), events: 1 }
            })
            .collect();
        let state = LedgerState {
            names: accounts.iter().map(|a| a.name.clone()).collect(),
            instruments: instruments.len(),
            slots: vec![Slot::default(); accounts.len() * instruments.len()],
            // The opening balances are each account's first transaction.
            transactions: accounts.len() as u64,
            accounts: states,
            positions: Vec::new(),
        };
        let routes = (accounts.chunk_by(|a, b| a.venue == b.venue))
            .flat_map(|group| {
                let routes = Arc::new(FxRoutes::new(&instruments, currencies.len(), group[0].venue));
                std::iter::repeat_n(routes, group.len())
            })
            .collect();
        let terms = instruments.iter().map(|(_, i)| Terms::new(i, &currencies)).collect();
        Ok(Self { specs: accounts, instruments, currencies, terms, routes, state })
    }

    /// All that changes, to be serialised.
    #[must_use]
    pub fn snapshot(&self) -> &LedgerState {
        &self.state
    }

    /// Puts back what [`Ledger::snapshot`] gave, into a ledger made of the same accounts and tables.
    pub fn restore(&mut self, state: LedgerState) -> Result<(), LedgerError> {
        let currencies = |s: &LedgerState| s.accounts.first().map_or(0, |a| a.books.len());
        let agree = [
            ("accounts", state.names.len(), self.state.names.len()),
            ("instruments", state.instruments, self.state.instruments),
            ("currencies", currencies(&state), currencies(&self.state)),
        ];
        for (what, found, expected) in agree {
            if found != expected {
                return Err(LedgerError::SnapshotMismatch { what, found, expected });
            }
        }
        let same = state.names.iter().zip(&self.state.names).filter(|(a, b)| a == b).count();
        if same != self.state.names.len() {
            let (what, expected) = ("accounts of the same names", self.state.names.len());
            return Err(LedgerError::SnapshotMismatch { what, found: same, expected });
        }
        self.state = state;
        Ok(())
    }

    /// The postings of the opening balances, one transaction per account from 1 on, stamped `ts`.
    pub fn opening_postings(&self, ts: UnixNanos, out: &mut Vec<Posting>) {
        let mut books = vec![TrialBalance::default(); self.currencies.len()];
        for (account, spec) in self.accounts() {
            let mut txn = Transaction::new(u64::from(account.0) + 1, ts, account, &mut books, out);
            for &(currency, amount) in &spec.opening {
                txn.post(LedgerAccount::Cash, currency, amount);
                txn.post(LedgerAccount::Opening, currency, -amount);
            }
            txn.finish();
        }
    }

    /// Books an execution for `strategy`, appends its postings to `out`, and says what it did.
    ///
    /// In a netting account `fill.position` is ignored. In a hedging account [`PositionId::NONE`] opens a position;
    /// any other id changes that one, through zero if the fill is larger, and after it was closed, too.
    pub fn post_fill(
        &mut self,
        account: AccountId,
        strategy: StrategyId,
        fill: &Fill,
        marks: &Marks,
        out: &mut Vec<Posting>,
    ) -> Result<FillOutcome, LedgerError> {
        let spec = self.known_account(account)?;
        self.known_currency(fill.fee_currency)?;
        let terms = self.tradable(account, fill)?;
        let place = self.place(account, fill.instrument);
        let found = self.position_for(account, strategy, fill)?;
        let position = found.map(|id| &self.state.positions[id.index() - 1]);

        let out_of_range = |what| LedgerError::OutOfRange { what, symbol: self.symbol(fill.instrument) };
        let filled = fill.side.signed(fill.qty);
        let change = Change::new(position, &terms, spec.cost, filled, fill.price)
            .ok_or_else(|| out_of_range("position cost"))?;
        let net = self.state.slots[place].net.checked_add(filled).ok_or_else(|| out_of_range("net position"))?;
        let instrument = self.instruments.get(fill.instrument);
        let settling = spec.settling(instrument);
        let books = (match settling {
            Settling::Profit => terms.money(change.gain, spec.rounding).map(Amounts::profit),
            Settling::Holding | Settling::Exchange => {
                let book = position.map_or(Money::ZERO, |p| p.book);
                Amounts::paid(&terms, spec, &change, book, filled, fill.price)
            }
        })
        .ok_or_else(|| out_of_range("notional"))?;

        let side = Some(fill.side);
        let realised = self.flow(account, terms.settlement, books.gain, side, marks)?;
        let paid = match settling {
            Settling::Holding => Some(self.flow(account, terms.settlement, books.cash, side, marks)?),
            Settling::Profit | Settling::Exchange => None,
        };
        let fee = self.currencies.round(fill.fee_currency, fill.fee, spec.rounding);
        let fee = self.flow(account, fill.fee_currency, fee, side, marks)?;
        let received = match (settling, instrument.base) {
            (Settling::Exchange, Some(base)) => {
                let (units, multiplier) = (i128::from(filled.units()), i128::from(instrument.multiplier.units()));
                let digits = self.currencies.digits(base);
                let qty = Money::from_units(units).scaled(multiplier, SCALE.into(), digits, spec.rounding);
                Some((base, qty.ok_or_else(|| out_of_range("quantity"))?))
            }
            _ => None,
        };

        // Nothing fails from here on.
        let method = spec.cost;
        let id = found.unwrap_or_else(|| self.open_position(account, strategy, fill, realised.paid_in));
        let position = &mut self.state.positions[id.index() - 1];
        change.apply(position, method, fill.price, fill.ts);
        position.book += books.book;
        position.realised += realised.paid;
        if fee.paid_in == position.currency {
            position.commission += fee.paid;
        }
        self.state.slots[place].net = net;
        let state = &mut self.state.accounts[account.index()];
        let open = OpenPosition { settlement: terms.settlement, instrument: fill.instrument, position: id };
        match (state.open.binary_search(&open), change.after.is_zero()) {
            (Ok(at), true) => drop(state.open.remove(at)),
            (Err(at), false) => state.open.insert(at, open),
            _ => {}
        }
        let (realised_in, fee_in) = (realised.paid_in, fee.paid_in);
        let gained = Totals { realised: realised.paid, ..Totals::default() };
        let charged = Totals { commission: fee.paid, ..Totals::default() };
        if realised_in == fee_in {
            state.record(strategy, fee_in, Totals { commission: fee.paid, ..gained });
        } else {
            state.record(strategy, realised_in, gained);
            state.record(strategy, fee_in, charged);
        }
        state.events += 1;
        self.state.transactions += 1;
        let mut txn = Transaction::new(self.state.transactions, fill.ts, account, &mut state.books, out);
        match settling {
            Settling::Profit => txn.settle(realised),
            Settling::Holding => {
                txn.settle(paid.expect("a holding is paid for"));
                txn.post(LedgerAccount::Holding(fill.instrument), terms.settlement, books.book);
            }
            Settling::Exchange => {
                let (base, qty) = received.expect("an exchange has a base currency");
                txn.post(LedgerAccount::Cash, base, qty);
                txn.post(LedgerAccount::FxConversion, base, -qty);
                txn.post(LedgerAccount::Cash, terms.settlement, books.cash);
                txn.post(LedgerAccount::FxConversion, terms.settlement, books.book);
            }
        }
        txn.post(LedgerAccount::RealisedPnl, terms.settlement, -books.gain);
        txn.post(LedgerAccount::Commission, fee.currency, fee.amount);
        txn.settle(fee.reversed());
        txn.finish();
        Ok(FillOutcome {
            position: id,
            realised: realised.paid,
            currency: realised_in,
            fee: fee.paid,
            fee_currency: fee_in,
            qty_before: change.before,
            qty_after: change.after,
            opened: change.opens(),
            closed: change.closes(),
        })
    }

    /// Pays (negative) or receives the funding of a perpetual on each of the account's open positions, and returns the
    /// sum in the account's base, or the settlement currency.
    ///
    /// A positive rate is paid by longs to shorts, on `qty * multiplier * mark` (inverse: `/ mark`); a zero `mark`
    /// takes the midpoint. Conversion into the base is at the midpoint (or the last price, if the account says so).
    /// Each position pays its own, rounded on its own. Where nothing is paid there is no account event.
    pub fn post_funding(
        &mut self,
        account: AccountId,
        funding: &Funding,
        marks: &Marks,
        out: &mut Vec<Posting>,
    ) -> Result<Money, LedgerError> {
        let spec = self.known_account(account)?;
        self.known_instrument(funding.instrument)?;
        let symbol = || self.symbol(funding.instrument);
        let terms = self.terms[funding.instrument.index()];
        let open = self.state.accounts[account.index()].open_of(terms.settlement, funding.instrument);
        if open.is_empty() {
            return Ok(Money::ZERO);
        }
        let price = match funding.mark {
            Price::ZERO => marks.mid(funding.instrument).ok_or_else(|| LedgerError::NoMark { symbol: symbol() })?,
            price => price,
        };
        if terms.inverse && !price.is_positive() {
            return Err(LedgerError::InversePrice { symbol: symbol(), price });
        }
        let payments = (open.iter())
            .map(|o| {
                let position = &self.state.positions[o.position.index() - 1];
                let amount = (terms.value(-position.qty, price))
                    .and_then(|value| terms.rated(value, funding.rate, terms.digits, spec.rounding))
                    .ok_or_else(|| LedgerError::OutOfRange { what: "funding", symbol: symbol() })?;
                Ok((o.position, self.flow(account, terms.settlement, amount, None, marks)?))
            })
            .collect::<Result<Vec<_>, LedgerError>>()?;

        self.state.transactions += 1;
        let state = &mut self.state.accounts[account.index()];
        state.events += u64::from(payments.iter().any(|(_, flow)| !flow.amount.is_zero()));
        let mut total = Money::ZERO;
        for &(id, flow) in &payments {
            let position = &mut self.state.positions[id.index() - 1];
            position.funding += flow.paid;
            total += flow.paid;
            state.record(position.strategy, flow.paid_in, Totals { funding: flow.paid, ..Totals::default() });
        }
        let mut txn = Transaction::new(self.state.transactions, funding.ts_event, account, &mut state.books, out);
        for (_, flow) in payments {
            txn.post(LedgerAccount::Funding, flow.currency, -flow.amount);
            txn.settle(flow);
        }
        txn.finish();
        Ok(total)
    }

    /// Adds `amount` (negative takes) to the cash of an account, rounded to its currency; returns what was booked.
    ///
    /// It is never converted: a deposit stays in the currency it came in.
    pub fn post_adjustment(
        &mut self,
        account: AccountId,
        (currency, amount): (CurrencyId, Money),
        reason: AdjustmentReason,
        ts: UnixNanos,
        out: &mut Vec<Posting>,
    ) -> Result<Money, LedgerError> {
        let spec = self.known_account(account)?;
        self.known_currency(currency)?;
        let amount = self.currencies.round(currency, amount, spec.rounding);
        let state = &mut self.state.accounts[account.index()];
        state.events += u64::from(!amount.is_zero());
        self.state.transactions += 1;
        let mut txn = Transaction::new(self.state.transactions, ts, account, &mut state.books, out);
        txn.post(LedgerAccount::Cash, currency, amount);
        txn.post(LedgerAccount::Adjustment(reason), currency, -amount);
        txn.finish();
        Ok(amount)
    }

    /// The accounts, in id order.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &AccountSpec)> {
        self.specs.iter().enumerate().map(|(i, spec)| (AccountId::from(i), spec))
    }
    /// The id of an account's name.
    #[must_use]
    pub fn account_id(&self, name: &str) -> Option<AccountId> {
        self.accounts().find(|(_, spec)| spec.name == name).map(|(id, _)| id)
    }
    /// An account as declared.
    #[must_use]
    pub fn account(&self, account: AccountId) -> &AccountSpec {
        &self.specs[account.index()]
    }
    /// The currencies of the run.
    #[must_use]
    pub fn currencies(&self) -> &CurrencyTable {
        &self.currencies
    }
    /// The instruments of the run.
    #[must_use]
    pub fn instruments(&self) -> &InstrumentTable {
        &self.instruments
    }
    /// Cash of an account in a currency, negative if borrowed.
    #[must_use]
    #[inline]
    pub fn balance(&self, account: AccountId, currency: CurrencyId) -> Money {
        self.trial_balance(account, currency).cash
    }
    /// All balances of an account in a currency.
    #[must_use]
    #[inline]
    pub fn trial_balance(&self, account: AccountId, currency: CurrencyId) -> &TrialBalance {
        &self.state.accounts[account.index()].books[currency.index()]
    }
    /// Sums of an account in a currency.
    #[must_use]
    pub fn totals(&self, account: AccountId, currency: CurrencyId) -> Totals {
        self.state.accounts[account.index()].totals[currency.index()]
    }
    /// Sums of a strategy in an account and a currency.
    #[must_use]
    pub fn strategy_totals(&self, account: AccountId, currency: CurrencyId, strategy: StrategyId) -> Totals {
        let strategies = &self.state.accounts[account.index()].strategies;
        let at = strategies.binary_search_by_key(&(strategy, currency), |(k, _)| *k);
        at.map_or(Totals::default(), |at| strategies[at].1)
    }
    /// Realised profit of an account in a currency, before commission and funding.
    #[must_use]
    pub fn realised_total(&self, account: AccountId, currency: CurrencyId) -> Money {
        self.totals(account, currency).realised
    }
    /// Commission an account paid in a currency.
    #[must_use]
    pub fn commission_total(&self, account: AccountId, currency: CurrencyId) -> Money {
        self.totals(account, currency).commission
    }
    /// Changes of state of all accounts: one each at opening, then one per fill, funding or adjustment.
    #[must_use]
    pub fn account_events(&self) -> u64 {
        self.state.accounts.iter().map(|a| a.events).sum()
    }
    /// Changes of state of one account.
    #[must_use]
    pub fn account_events_of(&self, account: AccountId) -> u64 {
        self.state.accounts[account.index()].events
    }
    /// Transactions so far, the opening ones included; the last one's number.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.state.transactions
    }
    /// Position ids given out.
    #[must_use]
    pub fn positions_opened(&self) -> usize {
        self.state.positions.len()
    }
    /// All positions ever opened, in id order.
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.state.positions
    }
    /// A position; `None` for [`PositionId::NONE`] and ids not given out.
    #[must_use]
    #[inline]
    pub fn position(&self, id: PositionId) -> Option<&Position> {
        self.state.positions.get(id.index().checked_sub(1)?)
    }
    /// The open positions of an account in an instrument, in id order.
    pub fn open_positions(&self, account: AccountId, instrument: InstrumentId) -> impl Iterator<Item = &Position> {
        let settlement = self.terms[instrument.index()].settlement;
        let open = self.state.accounts[account.index()].open_of(settlement, instrument);
        open.iter().map(|o| &self.state.positions[o.position.index() - 1])
    }
    /// The sum of an account's positions in an instrument.
    #[must_use]
    #[inline]
    pub fn net_position(&self, account: AccountId, instrument: InstrumentId) -> Qty {
        self.state.slots[self.place(account, instrument)].net
    }
    /// The sum of a strategy's positions in an instrument.
    #[must_use]
    #[inline]
    pub fn strategy_position(&self, account: AccountId, instrument: InstrumentId, strategy: StrategyId) -> Qty {
        match self.specs[account.index()].mode {
            PositionMode::Netting => {
                self.netting_position(account, instrument, strategy).map_or(Qty::ZERO, |position| position.qty)
            }
            PositionMode::Hedging => {
                self.open_positions(account, instrument).filter(|p| p.strategy == strategy).map(|p| p.qty).sum()
            }
        }
    }
    /// The one position of a strategy in an instrument of a netting account, open or flat.
    #[must_use]
    #[inline]
    pub fn netting_position(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        strategy: StrategyId,
    ) -> Option<&Position> {
        self.position(self.netting_id(self.place(account, instrument), strategy)?)
    }

    #[inline]
    fn netting_id(&self, place: usize, strategy: StrategyId) -> Option<PositionId> {
        let known = &self.state.slots[place].by_strategy;
        known.binary_search_by_key(&strategy, |(s, _)| *s).ok().map(|at| known[at].1)
    }

    #[inline]
    fn place(&self, account: AccountId, instrument: InstrumentId) -> usize {
        assert!(instrument.index() < self.terms.len(), "an instrument of this run");
        account.index() * self.terms.len() + instrument.index()
    }

    fn symbol(&self, instrument: InstrumentId) -> String {
        self.instruments.get(instrument).symbol.clone()
    }

    fn known_account(&self, account: AccountId) -> Result<&AccountSpec, LedgerError> {
        let known = self.specs.len();
        self.specs.get(account.index()).ok_or(LedgerError::UnknownAccount { account, known })
    }

    fn known_instrument(&self, instrument: InstrumentId) -> Result<(), LedgerError> {
        let known = self.terms.len();
        if instrument.index() < known { Ok(()) } else { Err(LedgerError::UnknownInstrument { instrument, known }) }
    }

    fn known_currency(&self, currency: CurrencyId) -> Result<(), LedgerError> {
        let known = self.currencies.len();
        if currency.index() < known { Ok(()) } else { Err(LedgerError::UnknownCurrency { currency, known }) }
    }

    /// The terms of a fill's instrument, if the fill makes sense in this account.
    fn tradable(&self, account: AccountId, fill: &Fill) -> Result<Terms, LedgerError> {
        self.known_instrument(fill.instrument)?;
        let (spec, instrument) = (&self.specs[account.index()], self.instruments.get(fill.instrument));
        let symbol = || instrument.symbol.clone();
        if instrument.venue != spec.venue {
            return Err(LedgerError::WrongVenue { account: spec.name.clone(), symbol: symbol() });
        }
        if !fill.qty.is_positive() {
            return Err(LedgerError::Quantity { trade_id: fill.trade_id, symbol: symbol(), qty: fill.qty });
        }
        if instrument.inverse && !fill.price.is_positive() {
            return Err(LedgerError::InversePrice { symbol: symbol(), price: fill.price });
        }
        if spec.settling(instrument) == Settling::Exchange && instrument.base.is_none() {
            return Err(LedgerError::NoBase { symbol: symbol() });
        }
        Ok(self.terms[fill.instrument.index()])
    }

    /// The position that a fill changes, if there is one yet.
    fn position_for(
        &self,
        account: AccountId,
        strategy: StrategyId,
        fill: &Fill,
    ) -> Result<Option<PositionId>, LedgerError> {
        match (self.specs[account.index()].mode, fill.position) {
            (PositionMode::Netting, _) => Ok(self.netting_id(self.place(account, fill.instrument), strategy)),
            (PositionMode::Hedging, PositionId::NONE) => Ok(None),
            (PositionMode::Hedging, position) => match self.position(position) {
                Some(p) if p.account == account && p.instrument == fill.instrument => Ok(Some(position)),
                _ => {
                    let symbol = self.symbol(fill.instrument);
                    Err(LedgerError::UnknownPosition { trade_id: fill.trade_id, symbol, position })
                }
            },
        }
    }

    fn open_position(
        &mut self,
        account: AccountId,
        strategy: StrategyId,
        fill: &Fill,
        currency: CurrencyId,
    ) -> PositionId {
        let id = PositionId::from(self.state.positions.len() + 1);
        if self.specs[account.index()].mode == PositionMode::Netting {
            let place = self.place(account, fill.instrument);
            let known = &mut self.state.slots[place].by_strategy;
            known.insert(known.partition_point(|(s, _)| *s < strategy), (strategy, id));
        }
        self.state.positions.push(Position {
            id,
            account,
            instrument: fill.instrument,
            strategy,
            qty: Qty::ZERO,
            cost: 0,
            book: Money::ZERO,
            lots: std::collections::VecDeque::new(),
            currency,
            realised: Money::ZERO,
            commission: Money::ZERO,
            funding: Money::ZERO,
            cycles: 0,
            opened_at: fill.ts,
            changed_at: fill.ts,
        });
        id
    }

    /// An amount with what it becomes in the account's base, if it has one.
    #[inline]
    fn flow(
        &self,
        account: AccountId,
        currency: CurrencyId,
        amount: Money,
        side: Option<Side>,
        marks: &Marks,
    ) -> Result<Flow, LedgerError> {
        let spec = &self.specs[account.index()];
        let paid_in = spec.base.unwrap_or(currency);
        if paid_in == currency || amount.is_zero() {
            return Ok(Flow { currency, amount, paid_in, paid: amount });
        }
        let price = |mark: &Mark, _: bool| spec.fx.price(side, mark);
        let digits = (self.currencies.digits(paid_in), spec.rounding);
        match self.routes[account.index()].convert(amount, (currency, paid_in), marks, price, digits) {
            Ok(paid) => Ok(Flow { currency, amount, paid_in, paid }),
            Err(fault) => Err(self.explain(fault, currency, paid_in)),
        }
    }

    #[cold]
    fn explain(&self, fault: FxFault, from: CurrencyId, to: CurrencyId) -> LedgerError {
        let code = |id| self.currencies.get(id).code.clone();
        match fault {
            FxFault::NoRoute => LedgerError::NoRoute { from: code(from), to: code(to) },
            FxFault::NoRate(pair) => LedgerError::NoRate { from: code(from), to: code(to), pair: self.symbol(pair) },
            FxFault::OutOfRange => LedgerError::OutOfRange { what: "conversion", symbol: code(from) },
        }
    }
}

/// What a fill moves, in the instrument's settlement currency.
struct Amounts {
    /// Paid (negative) or received for the quantity, where that is paid for.
    cash: Money,
    /// Change of the book cost of what is held.
    book: Money,
    /// Realised profit.
    gain: Money,
}

impl Amounts {
    fn profit(gain: Money) -> Self {
        Self { cash: Money::ZERO, book: Money::ZERO, gain }
    }

    /// What is held costs the cash that was paid for it, so that profit is exactly the difference of cash flows: a
    /// position that is flat again leaves no fraction behind, whatever was rounded in between.
    fn paid(
        terms: &Terms,
        spec: &AccountSpec,
        change: &Change,
        book: Money,
        filled: Qty,
        price: Price,
    ) -> Option<Self> {
        let money = |value| terms.money(value, spec.rounding);
        let notional = money(terms.value(filled, price)?)?;
        let opened = if change.closed.is_zero() { notional } else { money(change.opened_cost)? };
        let closed = if change.closes() { book } else { money(change.closed_cost)? };
        Some(Self { cash: -notional, book: opened - closed, gain: opened - notional - closed })
    }
}

fn check(spec: &AccountSpec, instruments: &InstrumentTable, currencies: &CurrencyTable) -> Result<(), LedgerError> {
    let fault = |field, value: String, requirement| {
        Err(LedgerError::Field { name: spec.name.clone(), field, value, requirement })
    };
    let known = |id: CurrencyId| id.index() < currencies.len();
    if let Some(base) = spec.base.filter(|base| !known(*base)) {
        return fault("base", format!("currency {}", base.0), "in the currency table");
    }
    for &(currency, amount) in &spec.opening {
        if !known(currency) {
            return fault("opening", format!("currency {}", currency.0), "in the currency table");
        }
        if currencies.round(currency, amount, spec.rounding) != amount {
            return fault("opening", amount.to_string(), "a whole number of the currency's smallest unit");
        }
    }
    let leverages = spec.leverage_by.iter().map(|(_, rate)| *rate);
    if let Some(rate) = std::iter::once(spec.leverage).chain(leverages).find(|rate| !rate.is_positive()) {
        return fault("leverage", rate.to_string(), "positive");
    }
    if let Some((id, _)) = spec.leverage_by.iter().find(|(id, _)| id.index() >= instruments.len()) {
        return fault("leverage_by", format!("instrument {}", id.0), "in the instrument table");
    }
    Ok(())
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
