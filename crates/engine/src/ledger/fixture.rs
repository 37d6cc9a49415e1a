//! A small world for the ledger's tests: five currencies, three venues, every kind of instrument.

use super::*;
use starling_core::fixed::Rounding;
use starling_core::instrument::InstrumentKind as Kind;
use starling_core::{ClientOrderId, Currency, Instrument, Liquidity, VenueId};

pub(super) const SIM: VenueId = VenueId(0);
pub(super) const OTHER: VenueId = VenueId(1);

pub(super) fn currencies() -> Arc<CurrencyTable> {
    let of = |code: &str| Currency { code: code.into(), digits: CurrencyTable::default_digits(code) };
    let codes = ["USD", "AUD", "EUR", "JPY", "BTC", "BNB", "USDT"];
    Arc::new(CurrencyTable::freeze(codes.map(of).to_vec()).unwrap())
}

/// Every instrument, in an order that is not the canonical one.
pub(super) fn instruments() -> Vec<Instrument> {
    let table = currencies();
    let id = |code: &str| table.id(code).unwrap();
    let pair = |venue, base: &str, quote: &str, price_digits, qty_digits| {
        let symbol = format!("{base}/{quote}");
        let mut pair = Instrument::new(symbol, venue, Kind::Pair, id(quote), price_digits, qty_digits);
        pair.base = Some(id(base));
        pair.margin_init = "0.03".parse().unwrap();
        pair.margin_maint = "0.015".parse().unwrap();
        pair
    };
    let mut future = Instrument::new("ES", SIM, Kind::Future, id("USD"), 2, 0);
    future.multiplier = Qty::from_int(50);
    future.margin_init = "0.1".parse().unwrap();
    let mut inverse = Instrument::new("XBTUSD", SIM, Kind::Perpetual, id("USD"), 1, 0);
    inverse.inverse = true;
    inverse.base = Some(id("BTC"));
    inverse.margin_init = "0.01".parse().unwrap();
    let mut perpetual = Instrument::new("BTCUSDT-PERP", SIM, Kind::Perpetual, id("USDT"), 1, 3);
    perpetual.margin_init = "0.05".parse().unwrap();
    perpetual.margin_maint = "0.025".parse().unwrap();
    vec![
        pair(SIM, "USD", "JPY", 3, 0),
        Instrument::new("AAPL", SIM, Kind::Equity, id("USD"), 3, 3),
        pair(SIM, "AUD", "USD", 5, 0),
        inverse,
        future,
        pair(SIM, "EUR", "USD", 5, 0),
        pair(OTHER, "EUR", "USD", 5, 0),
        pair(SIM, "BTC", "USDT", 2, 6),
        perpetual,
        Instrument::new("DAX", SIM, Kind::Cfd, id("EUR"), 1, 1),
        pair(SIM, "BNB", "USDT", 2, 3),
        Instrument::new("VOW", OTHER, Kind::Equity, id("EUR"), 2, 0),
        Instrument::new("SONY", SIM, Kind::Equity, id("JPY"), 1, 0),
    ]
}

/// A ledger with its marks, and the postings of all that was done to it.
pub(super) struct World {
    pub(super) ledger: Ledger,
    pub(super) marks: Marks,
    pub(super) postings: Vec<Posting>,
    pub(super) trades: u64,
}

impl World {
    pub(super) fn new(accounts: Vec<AccountSpec>) -> Self {
        Self::with(accounts, instruments()).unwrap()
    }

    pub(super) fn with(accounts: Vec<AccountSpec>, instruments: Vec<Instrument>) -> Result<Self, LedgerError> {
        let table = Arc::new(InstrumentTable::freeze(instruments).unwrap());
        let marks = Marks::new(table.len());
        let ledger = Ledger::new(accounts, table, currencies())?;
        let mut postings = Vec::new();
        ledger.opening_postings(UnixNanos::EPOCH, &mut postings);
        Ok(Self { ledger, marks, postings, trades: 0 })
    }

    pub(super) fn id(&self, symbol: &str) -> InstrumentId {
        self.ledger.instruments().id(SIM, symbol).unwrap()
    }

    pub(super) fn code(&self, code: &str) -> CurrencyId {
        self.ledger.currencies().id(code).unwrap()
    }

    pub(super) fn quote(&mut self, symbol: &str, bid: &str, ask: &str) {
        let id = self.id(symbol);
        self.marks.set_quote(id, bid.parse().unwrap(), ask.parse().unwrap(), UnixNanos::EPOCH);
    }

    pub(super) fn last(&mut self, symbol: &str, price: &str) {
        let id = self.id(symbol);
        self.marks.set_last(id, price.parse().unwrap(), UnixNanos::EPOCH);
    }

    pub(super) fn fill(&mut self, symbol: &str, qty: &str, price: &str) -> Fill {
        let qty: Qty = qty.parse().unwrap();
        let instrument = self.id(symbol);
        self.trades += 1;
        Fill {
            order: ClientOrderId::new(StrategyId(0), self.trades),
            trade_id: self.trades,
            instrument,
            side: if qty.is_negative() { Side::Sell } else { Side::Buy },
            qty: qty.abs(),
            price: price.parse().unwrap(),
            fee: Money::ZERO,
            fee_currency: self.ledger.instruments().get(instrument).settlement(),
            liquidity: Liquidity::Taker,
            position: PositionId::NONE,
            ts: UnixNanos::new(self.trades),
        }
    }

    pub(super) fn post(&mut self, strategy: u16, fill: &Fill) -> Result<FillOutcome, LedgerError> {
        self.ledger.post_fill(AccountId(0), StrategyId(strategy), fill, &self.marks, &mut self.postings)
    }

    /// A signed quantity traded in account 0 by strategy 0, free of commission.
    pub(super) fn trade(&mut self, symbol: &str, qty: &str, price: &str) -> FillOutcome {
        let fill = self.fill(symbol, qty, price);
        self.post(0, &fill).unwrap()
    }

    /// As [`World::trade`], with a commission.
    pub(super) fn trade_at(&mut self, symbol: &str, qty: &str, price: &str, fee: &str, currency: &str) -> FillOutcome {
        let fill =
            Fill { fee: fee.parse().unwrap(), fee_currency: self.code(currency), ..self.fill(symbol, qty, price) };
        self.post(0, &fill).unwrap()
    }

    pub(super) fn cash(&self, code: &str) -> String {
        self.ledger.balance(AccountId(0), self.code(code)).to_string()
    }

    pub(super) fn equity(&self, code: &str) -> Option<String> {
        self.ledger.equity(AccountId(0), self.code(code), &self.marks).map(|m| m.to_string())
    }

    pub(super) fn unrealised(&self, id: u32) -> String {
        self.ledger.unrealised(PositionId(id), &self.marks).unwrap().to_string()
    }

    pub(super) fn entry(&self, id: u32) -> String {
        let position = self.ledger.position(PositionId(id)).unwrap();
        position.entry(self.ledger.instruments().get(position.instrument)).unwrap().to_string()
    }

    /// The postings of the last transaction, as `docs/ledger.md` prints them.
    pub(super) fn last_transaction(&self) -> Vec<String> {
        let last = self.postings.last().map_or(0, |p| p.txn);
        (self.postings.iter().filter(|p| p.txn == last))
            .map(|p| {
                let ledger = match p.ledger {
                    LedgerAccount::Holding(id) => format!("Holding {}", self.ledger.instruments().get(id).symbol),
                    other => format!("{other:?}"),
                };
                format!("{ledger} {} {}", p.amount, self.ledger.currencies().get(p.currency).code)
            })
            .collect()
    }
}

pub(super) fn account(kind: AccountKind, opening: &[(&str, &str)]) -> AccountSpec {
    let table = currencies();
    let opening = opening.iter().map(|(c, m)| (table.id(c).unwrap(), m.parse().unwrap())).collect();
    AccountSpec { opening, rounding: Rounding::default(), ..AccountSpec::new("main", SIM, kind) }
}

pub(super) fn margin(opening: &[(&str, &str)]) -> AccountSpec {
    account(AccountKind::Margin, opening)
}

pub(super) fn cash(opening: &[(&str, &str)]) -> AccountSpec {
    account(AccountKind::Cash, opening)
}

pub(super) fn in_usd(spec: AccountSpec) -> AccountSpec {
    AccountSpec { base: currencies().id("USD"), ..spec }
}
