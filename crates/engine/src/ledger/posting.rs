//! Postings: the lines of the journal of accounts, and the transaction that keeps them balanced.
//!
//! Invariant: the postings of one transaction sum to zero in every currency; a transaction that does not stops the
//! engine, in release too. Balances change through [`Transaction::post`] only.

use serde::{Deserialize, Serialize};
use starling_core::{AccountId, CurrencyId, InstrumentId, Money, UnixNanos};

/// Why cash was adjusted by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdjustmentReason {
    /// Cash was paid in.
    Deposit,
    /// Cash was paid out.
    Withdrawal,
    /// Interest, rollover or borrowing cost.
    Interest,
    /// A dividend or other cash of a corporate action.
    CorporateAction,
    /// The venue's balance differs from ours, and is right.
    Reconciliation,
}

/// Which of the accounts in a chart of accounts a posting changes. Debits are positive, credits negative: cash that
/// comes in is positive, and the income it stems from negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LedgerAccount {
    /// Asset: the balance at the venue.
    Cash,
    /// Asset: shares of an instrument at cost.
    Holding(InstrumentId),
    /// Income: profit of closed positions (a loss is positive).
    RealisedPnl,
    /// Expense: commission (a rebate is negative).
    Commission,
    /// Expense: funding of perpetuals (received is negative).
    Funding,
    /// Equity: what the account began with.
    Opening,
    /// Contra of every exchange of one currency for another: one leg in each.
    FxConversion,
    /// Contra of deposits, withdrawals, interest, dividends and corrections.
    Adjustment(AdjustmentReason),
}

/// One line of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// The transaction, counted from 1 per run; its postings are adjacent.
    pub txn: u64,
    /// When it took place.
    pub ts: UnixNanos,
    /// Whose books.
    pub account: AccountId,
    /// Which account in them.
    pub ledger: LedgerAccount,
    /// The currency of `amount`.
    pub currency: CurrencyId,
    /// Debit positive, credit negative; rounded to the currency.
    pub amount: Money,
}

/// The balances of one account in one currency; they sum to zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrialBalance {
    /// Cash at the venue.
    pub cash: Money,
    /// Shares held, at cost, all instruments together.
    pub holding: Money,
    /// Realised profit, negative.
    pub realised: Money,
    /// Commission paid.
    pub commission: Money,
    /// Funding paid.
    pub funding: Money,
    /// The opening balance, negative.
    pub opening: Money,
    /// Currency conversion.
    pub fx: Money,
    /// Adjustments, negative where cash came in.
    pub adjustment: Money,
}

impl TrialBalance {
    fn apply(&mut self, ledger: LedgerAccount, amount: Money) {
        *match ledger {
            LedgerAccount::Cash => &mut self.cash,
            LedgerAccount::Holding(_) => &mut self.holding,
            LedgerAccount::RealisedPnl => &mut self.realised,
            LedgerAccount::Commission => &mut self.commission,
            LedgerAccount::Funding => &mut self.funding,
            LedgerAccount::Opening => &mut self.opening,
            LedgerAccount::FxConversion => &mut self.fx,
            LedgerAccount::Adjustment(_) => &mut self.adjustment,
        } += amount;
    }

    /// The sum over all accounts: zero, or the books are broken.
    #[must_use]
    pub fn sum(&self) -> Money {
        let Self { cash, holding, realised, commission, funding, opening, fx, adjustment } = *self;
        cash + holding + realised + commission + funding + opening + fx + adjustment
    }
}

/// A fill touches at most four: base and quote of a pair, the account's base, the commission's.
const CURRENCIES_MAX: usize = 4;

/// The postings of one transaction in the making.
pub(super) struct Transaction<'a> {
    pub(super) id: u64,
    pub(super) ts: UnixNanos,
    pub(super) account: AccountId,
    pub(super) books: &'a mut [TrialBalance],
    pub(super) out: &'a mut Vec<Posting>,
    sums: [(CurrencyId, Money); CURRENCIES_MAX],
    used: usize,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(
        id: u64,
        ts: UnixNanos,
        account: AccountId,
        books: &'a mut [TrialBalance],
        out: &'a mut Vec<Posting>,
    ) -> Self {
        Self { id, ts, account, books, out, sums: Default::default(), used: 0 }
    }

    /// Changes one account; nothing is written for nothing.
    pub(super) fn post(&mut self, ledger: LedgerAccount, currency: CurrencyId, amount: Money) {
        if amount.is_zero() {
            return;
        }
        match self.sums[..self.used].iter_mut().find(|(c, _)| *c == currency) {
            Some((_, sum)) => *sum += amount,
            None => {
                assert!(self.used < CURRENCIES_MAX, "a transaction in at most {CURRENCIES_MAX} currencies");
                self.sums[self.used] = (currency, amount);
                self.used += 1;
            }
        }
        self.books[currency.index()].apply(ledger, amount);
        let Self { id: txn, ts, account, .. } = *self;
        self.out.push(Posting { txn, ts, account, ledger, currency, amount });
    }

    /// Cash comes in (or goes out): in its own currency, or through a conversion into the account's base.
    pub(super) fn settle(&mut self, cash: Flow) {
        if cash.paid_in == cash.currency {
            assert_eq!(cash.paid, cash.amount, "no conversion changes no amount");
            self.post(LedgerAccount::Cash, cash.currency, cash.amount);
        } else {
            self.post(LedgerAccount::FxConversion, cash.currency, cash.amount);
            self.post(LedgerAccount::FxConversion, cash.paid_in, -cash.paid);
            self.post(LedgerAccount::Cash, cash.paid_in, cash.paid);
        }
    }

    /// Ends the transaction.
    ///
    /// # Panics
    /// If it does not sum to zero in each currency.
    pub(super) fn finish(self) {
        for &(currency, sum) in &self.sums[..self.used] {
            assert!(sum.is_zero(), "transaction {} is off by {sum} in currency {}", self.id, currency.0);
        }
    }
}

/// An amount in the currency it arose in, and in the one it is paid in (which may be the same).
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) currency: CurrencyId,
    pub(super) amount: Money,
    pub(super) paid_in: CurrencyId,
    pub(super) paid: Money,
}

impl Flow {
    pub(super) fn reversed(self) -> Self {
        Self { amount: -self.amount, paid: -self.paid, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transact(postings: &[(u16, i64)]) {
        let (mut books, mut out) = ([TrialBalance::default(); 6], Vec::new());
        let mut txn = Transaction::new(1, UnixNanos::EPOCH, AccountId(0), &mut books, &mut out);
        for &(currency, amount) in postings {
            txn.post(LedgerAccount::Cash, CurrencyId(currency), Money::from_int(amount));
        }
        txn.finish();
    }

    #[test]
    fn a_transaction_may_balance_in_four_currencies() {
        transact(&[(0, 1), (1, 2), (2, 3), (5, -4), (0, -1), (1, -2), (2, -3), (5, 4), (4, 0)]);
    }

    #[test]
    #[should_panic(expected = "transaction 1 is off by 2 in currency 1")]
    fn an_unbalanced_transaction_stops_the_engine() {
        transact(&[(0, 1), (1, 2), (0, -1)]);
    }

    #[test]
    #[should_panic(expected = "at most 4 currencies")]
    fn a_fifth_currency_stops_the_engine() {
        transact(&[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]);
    }
}
