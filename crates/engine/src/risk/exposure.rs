//! What open orders tie up: a claim per order, sums per instrument, account and currency.
//!
//! Invariant: each sum equals the sum of what its open orders have `counted` into it, and what is taken out is exactly
//! what was put in. So sums are never negative, and zero without open orders.
//!
//! The members of a one-cancels-other group on one side count as much as the largest of them, since no more can fill.
//! What it deliberately does not do: refuse. It answers what a claim would add.

use serde::{Deserialize, Serialize};
use starling_core::fixed::mul_div;
use starling_core::fixed_map::FixedMap;
use starling_core::{
    AccountId, ClientOrderId, CurrencyId, InstrumentId, Money, OrderKind, OrderRequest, PositionId, Price, Qty,
    Rounding, Side, UnixNanos,
};

/// What an open order could still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Claim {
    /// Quantity that may change the net position to the worse.
    pub(super) qty: Qty,
    /// Quantity that can only close the named position of a hedging account.
    pub(super) closing: Qty,
    /// Value of `qty` in the reporting currency, at the worst price.
    pub(super) value: Money,
    /// Cost with fee in the settlement currency (purchases in cash accounts).
    pub(super) cash: Money,
    /// Amount of base currency given away (sales in cash accounts).
    pub(super) base: Money,
}

impl Claim {
    fn zip(self, other: Self, money: impl Fn(i128, i128) -> i128, qty: impl Fn(i64, i64) -> i64) -> Self {
        let money = |a: Money, b: Money| Money::from_units(money(a.units(), b.units()));
        let qty = |a: Qty, b: Qty| Qty::from_units(qty(a.units(), b.units()));
        Self {
            qty: qty(self.qty, other.qty),
            closing: qty(self.closing, other.closing),
            value: money(self.value, other.value),
            cash: money(self.cash, other.cash),
            base: money(self.base, other.base),
        }
    }
    pub(super) fn max(self, other: Self) -> Self {
        self.zip(other, i128::max, i64::max)
    }
    /// What this claims beyond `shared`, part by part.
    pub(super) fn beyond(self, shared: &Self) -> Self {
        self.zip(*shared, |a, b| (a - b).max(0), |a, b| (a - b).max(0))
    }
    fn plus(self, other: Self) -> Self {
        self.zip(
            other,
            |a, b| a.checked_add(b).expect("claims are bounded at approval"),
            |a, b| a.checked_add(b).expect("quantities are checked at approval"),
        )
    }
    /// The share that `leaves` of `basis` keep, rounded up.
    fn scaled(self, leaves: Qty, basis: Qty) -> Self {
        if leaves == basis {
            return self;
        }
        if !leaves.is_positive() {
            return Self::default();
        }
        let part = |units: i128| {
            mul_div(units, leaves.units().into(), basis.units().into(), Rounding::Ceil).expect("a part fits")
        };
        let qty = |q: Qty| Qty::from_units(i64::try_from(part(q.units().into())).expect("a part fits"));
        let money = |m: Money| Money::from_units(part(m.units()));
        Self {
            qty: qty(self.qty),
            closing: qty(self.closing),
            value: money(self.value),
            cash: money(self.cash),
            base: money(self.base),
        }
    }
}

/// What an order is, or has been asked to become, and what that claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Terms {
    /// Kind and prices.
    pub(super) kind: OrderKind,
    /// Total quantity, filled part included.
    pub(super) qty: Qty,
    /// What it claimed when `basis` of it was open.
    pub(super) claim: Claim,
    /// Quantity open when the claim was made.
    pub(super) basis: Qty,
}

impl Terms {
    fn claim_after(&self, filled: Qty) -> Claim {
        let leaves = (self.qty.units() - filled.units()).max(0);
        self.claim.scaled(Qty::from_units(leaves).min(self.basis), self.basis)
    }
}

/// An open order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OrderRecord {
    pub(super) id: ClientOrderId,
    pub(super) account: AccountId,
    /// As approved; `terms` has what a change made of it.
    pub(super) request: OrderRequest,
    pub(super) filled: Qty,
    pub(super) terms: Terms,
    /// Asked of the venue, not answered yet.
    pub(super) pending: Option<Terms>,
    /// What of its group's claim stands in the sums under this order.
    pub(super) counted: Claim,
    /// Waits for a parent that it can only unwind, and claims nothing until released.
    pub(super) held: bool,
    /// Waits for its parent, whatever it claims.
    pub(super) parked: bool,
    /// Nobody can tell what became of it.
    pub(super) unknown: bool,
    /// The price it stands at among our resting orders.
    pub(super) resting: Option<Price>,
    /// The next member of its group; itself if it has none.
    pub(super) next: u32,
}

impl OrderRecord {
    pub(super) fn standing(&self) -> Standing {
        Standing::of(self.account, &self.request)
    }
    pub(super) fn leaves(&self) -> Qty {
        Qty::from_units((self.terms.qty.units() - self.filled.units()).max(0))
    }
    /// The most it may claim, whatever the venue answers to a pending change.
    pub(super) fn claim(&self) -> Claim {
        if self.held {
            return Claim::default();
        }
        let claim = self.terms.claim_after(self.filled);
        self.pending.map_or(claim, |pending| claim.max(pending.claim_after(self.filled)))
    }
}

/// Open quantity of one side and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct SideSum {
    pub(super) qty: Qty,
    pub(super) value: Money,
}

impl SideSum {
    fn increase(self, worst: i128, net: i128) -> Money {
        let increase = (worst - net.abs()).clamp(0, self.qty.units().into());
        if increase == i128::from(self.qty.units()) {
            return self.value;
        }
        let units = mul_div(self.value.units(), increase, self.qty.units().into(), Rounding::Ceil);
        Money::from_units(units.expect("a part fits"))
    }
}

/// Open orders of one account in one instrument.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Cell {
    /// Purchases and sales.
    sides: [SideSum; 2],
    /// Quantity on its way to close a named position.
    closing: Vec<(PositionId, Qty)>,
    /// What the open orders could add to the value of positions, as it stands in the account's sum.
    pub(super) increase: Money,
    /// The margin of that, as it stands in the account's sum.
    pub(super) margin: Money,
}

impl Cell {
    pub(super) fn side(&self, side: Side) -> SideSum {
        self.sides[side as usize]
    }
    pub(super) fn closing(&self, position: PositionId) -> Qty {
        self.closing.iter().find(|(id, _)| *id == position).map_or(Qty::ZERO, |(_, qty)| *qty)
    }
    /// The largest value that positions here can gain if open orders fill, in any order and to any part, with `extra`
    /// on `side` among them. A reversal counts by how much it exceeds the position it undoes.
    pub(super) fn increase_with(&self, net: Qty, hedging: bool, side: Side, extra: SideSum) -> Money {
        let mut sides = self.sides;
        let sum = &mut sides[side as usize];
        sum.qty = Qty::from_units(sum.qty.units().saturating_add(extra.qty.units()));
        sum.value += extra.value;
        let [buys, sells] = sides;
        if hedging {
            return buys.value + sells.value;
        }
        let net = i128::from(net.units());
        let up = buys.increase(net + i128::from(buys.qty.units()), net);
        let down = sells.increase(i128::from(sells.qty.units()) - net, net);
        up.max(down)
    }
    fn apply(&mut self, side: Side, position: PositionId, old: &Claim, new: &Claim) {
        let sum = &mut self.sides[side as usize];
        sum.qty = replaced_qty(sum.qty, old.qty, new.qty);
        sum.value = replaced(sum.value, old.value, new.value);
        if old.closing == new.closing {
            return;
        }
        let at = self.closing.iter().position(|(id, _)| *id == position).unwrap_or_else(|| {
            self.closing.push((position, Qty::ZERO));
            self.closing.len() - 1
        });
        let (_, qty) = &mut self.closing[at];
        *qty = replaced_qty(*qty, old.closing, new.closing);
        if qty.is_zero() {
            self.closing.swap_remove(at);
        }
    }
    fn is_idle(&self) -> bool {
        self.sides == <[SideSum; 2]>::default()
            && self.closing.is_empty()
            && self.increase.is_zero()
            && self.margin.is_zero()
    }
}

fn replaced(sum: Money, old: Money, new: Money) -> Money {
    let sum = sum - old + new;
    assert!(!sum.is_negative(), "a reservation never falls below zero");
    sum
}

fn replaced_qty(sum: Qty, old: Qty, new: Qty) -> Qty {
    let sum = sum - old + new;
    assert!(!sum.is_negative(), "a reserved quantity never falls below zero");
    sum
}

/// Where equity stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EquityRecord {
    pub(super) day: u64,
    pub(super) day_start: Money,
    pub(super) peak: Money,
    pub(super) last: Money,
}

/// The sums of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct AccountRecord {
    /// Reserved cash, by currency.
    reserved: Vec<Money>,
    /// By instrument.
    cells: Vec<Cell>,
    /// Value of open orders.
    pub(super) open_value: Money,
    /// Value that open orders could add to positions.
    pub(super) increase: Money,
    /// Margin of that.
    pub(super) margin: Money,
    pub(super) open_orders: u32,
    /// Value executed on `executed_day`.
    executed: Money,
    executed_day: u64,
    pub(super) equity: Option<EquityRecord>,
}

impl AccountRecord {
    pub(super) fn new(instruments: usize, currencies: usize) -> Self {
        Self { reserved: vec![Money::ZERO; currencies], cells: vec![Cell::default(); instruments], ..Self::default() }
    }
    pub(super) fn cell(&self, instrument: InstrumentId) -> &Cell {
        &self.cells[instrument.index()]
    }
    pub(super) fn reserved(&self, currency: CurrencyId) -> Money {
        self.reserved[currency.index()]
    }
    /// Value executed since midnight UTC.
    pub(super) fn executed(&self, now: UnixNanos) -> Money {
        if now.unix_day() == self.executed_day { self.executed } else { Money::ZERO }
    }
    pub(super) fn execute(&mut self, now: UnixNanos, value: Money) {
        let sum = self.executed(now).units().saturating_add(value.units());
        (self.executed_day, self.executed) = (now.unix_day(), Money::from_units(sum));
    }
    /// Sets what the open orders of an instrument could add.
    pub(super) fn set_increase(&mut self, instrument: InstrumentId, increase: Money, margin: Money) {
        let cell = &mut self.cells[instrument.index()];
        self.increase = replaced(self.increase, cell.increase, increase);
        self.margin = replaced(self.margin, cell.margin, margin);
        (cell.increase, cell.margin) = (increase, margin);
    }
    pub(super) fn apply(&mut self, at: Standing, currencies: Currencies, old: &Claim, new: &Claim) {
        let Standing { instrument, side, position, .. } = at;
        self.cells[instrument.index()].apply(side, position, old, new);
        self.open_value = replaced(self.open_value, old.value, new.value);
        if old.cash != new.cash {
            let sum = &mut self.reserved[currencies.settlement.index()];
            *sum = replaced(*sum, old.cash, new.cash);
        }
        if old.base != new.base
            && let Some(base) = currencies.base
        {
            let sum = &mut self.reserved[base.index()];
            *sum = replaced(*sum, old.base, new.base);
        }
    }
    /// True if nothing is reserved.
    pub(super) fn is_idle(&self) -> bool {
        self.reserved.iter().all(|m| m.is_zero())
            && self.cells.iter().all(Cell::is_idle)
            && [self.open_value, self.increase, self.margin].iter().all(|m| m.is_zero())
            && self.open_orders == 0
    }
}

/// Which sums an order's claim stands in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) position: PositionId,
}

impl Standing {
    pub(super) fn of(account: AccountId, request: &OrderRequest) -> Self {
        let OrderRequest { instrument, side, position, .. } = *request;
        Self { account, instrument, side, position }
    }
}

/// The currencies that an order's claim stands in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Currencies {
    pub(super) settlement: CurrencyId,
    pub(super) base: Option<CurrencyId>,
}

/// The open orders, found by id, in places that are used again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct OpenOrders {
    places: Vec<Option<OrderRecord>>,
    free: Vec<u32>,
    #[serde(skip)]
    by_id: FixedMap<u64, u32>,
    /// The member in the first place of each group with an open order: a function of the places, so that a restored
    /// gate links later members as the one that went on does.
    #[serde(skip)]
    groups: FixedMap<GroupKey, u32>,
}

/// Account, instrument, side, group and named position: what the members of a group must share to share a claim.
type GroupKey = (u16, u32, u8, u64, u32);

fn group_key(order: &OrderRecord) -> Option<GroupKey> {
    key_of(order.account, &order.request)
}

fn key_of(account: AccountId, request: &OrderRequest) -> Option<GroupKey> {
    let group = request.links.oco_group;
    (group != 0).then_some((account.0, request.instrument.0, request.side as u8, group, request.position.0))
}

impl OpenOrders {
    pub(super) fn find(&self, id: ClientOrderId) -> Option<u32> {
        self.by_id.get(&id.get()).copied()
    }
    pub(super) fn get(&self, place: u32) -> &OrderRecord {
        self.places[place as usize].as_ref().expect("a place in the index holds an order")
    }
    pub(super) fn get_mut(&mut self, place: u32) -> &mut OrderRecord {
        self.places[place as usize].as_mut().expect("a place in the index holds an order")
    }
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &OrderRecord)> {
        (0u32..).zip(&self.places).filter_map(|(place, order)| Some((place, order.as_ref()?)))
    }
    /// What the group already claims that an order of this request would join.
    pub(super) fn shared(&self, account: AccountId, request: &OrderRequest) -> Claim {
        let place = key_of(account, request).and_then(|key| self.groups.get(&key));
        place.map_or(Claim::default(), |place| self.group_claim(*place))
    }
    /// The largest claim in the group of an order, part by part.
    pub(super) fn group_claim(&self, place: u32) -> Claim {
        let first = self.get(place);
        let (mut claim, mut at) = (first.claim(), first.next);
        while at != place {
            let member = self.get(at);
            claim = claim.max(member.claim());
            at = member.next;
        }
        claim
    }
    /// Moves all that the group counts to this member; returns it.
    fn gather(&mut self, place: u32) -> Claim {
        let first = self.get(place);
        let (mut counted, mut at) = (first.counted, first.next);
        while at != place {
            let member = self.get_mut(at);
            counted = counted.plus(std::mem::take(&mut member.counted));
            at = member.next;
        }
        self.get_mut(place).counted = counted;
        counted
    }
    /// Brings what the group of an order counts to what it now claims; returns both, old first.
    pub(super) fn recount(&mut self, place: u32) -> (Claim, Claim) {
        let (old, new) = (self.gather(place), self.group_claim(place));
        self.get_mut(place).counted = new;
        (old, new)
    }
    /// Gives back the places that orders had, if none has one.
    pub(super) fn shrink_to_fit(&mut self) {
        if self.len() == 0 {
            *self = Self::default();
        }
    }
    /// Adds an order that counts nothing yet; returns what its group counted and counts now.
    pub(super) fn insert(&mut self, mut order: OrderRecord) -> (Claim, Claim) {
        let place = self.free.pop().unwrap_or_else(|| {
            if self.places.len() == self.places.capacity() {
                // From one: a vector would begin with four, and most engines of many have one order or none.
                self.places.reserve_exact(self.places.len().max(1));
            }
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("fewer than 2^32 open orders")
        });
        order.next = place;
        let twin = self.by_id.insert(order.id.get(), place);
        assert!(twin.is_none(), "an id is open once");
        let key = group_key(&order);
        let claim = order.claim();
        if key.is_none() {
            order.counted = claim;
        }
        self.places[place as usize] = Some(order);
        if key.is_some() {
            self.link(place);
            return self.recount(place);
        }
        (Claim::default(), claim)
    }
    /// Joins an order that stands alone to its group.
    fn link(&mut self, place: u32) {
        let Some(key) = group_key(self.get(place)) else { return };
        match self.groups.get(&key) {
            None => {
                self.groups.insert(key, place);
            }
            Some(&first) => {
                let after = std::mem::replace(&mut self.get_mut(first).next, place);
                self.get_mut(place).next = after;
                self.groups.insert(key, first.min(place));
            }
        }
    }
    /// Takes an order out of its group, and says which member follows it; itself if it stood alone.
    fn unlink(&mut self, place: u32) -> u32 {
        let next = std::mem::replace(&mut self.get_mut(place).next, place);
        let key = group_key(self.get(place));
        if next == place {
            if let Some(key) = key {
                self.groups.remove(&key);
            }
            return next;
        }
        let mut before = next;
        while self.get(before).next != place {
            before = self.get(before).next;
        }
        self.get_mut(before).next = next;
        let key = key.expect("only groups are linked");
        let (mut first, mut at) = (next, self.get(next).next);
        while at != next {
            first = first.min(at);
            at = self.get(at).next;
        }
        self.groups.insert(key, first);
        next
    }
    /// Names the position of an order that claims nothing yet: it goes over to the group of those that name it.
    pub(super) fn rename(&mut self, place: u32, position: PositionId) {
        let counted = self.gather(place);
        let next = self.unlink(place);
        self.get_mut(place).counted = Claim::default();
        self.get_mut(next).counted = counted;
        self.get_mut(place).request.position = position;
        self.link(place);
    }
    /// Removes an order, leaving what it counted with another member of its group; returns where it stood, its
    /// group's old count and the new one.
    pub(super) fn remove(&mut self, place: u32) -> (Standing, Claim, Claim) {
        let old = self.gather(place);
        let next = self.unlink(place);
        let order = self.get(place);
        let (id, standing) = (order.id, order.standing());
        self.by_id.remove(&id.get());
        self.places[place as usize] = None;
        self.free.push(place);
        if next == place {
            return (standing, old, Claim::default());
        }
        let new = self.group_claim(next);
        self.get_mut(next).counted = new;
        (standing, old, new)
    }
    /// Makes the indices again after a restore.
    pub(super) fn reindex(&mut self) {
        let entries: Vec<_> = self.iter().map(|(place, order)| (place, order.id.get(), group_key(order))).collect();
        for (place, id, group) in entries {
            self.by_id.insert(id, place);
            if let Some(key) = group {
                self.groups.entry(key).or_insert(place);
            }
        }
    }
}
