"""Kernel functions that CrossHair does not confirm as a whole, and what holds each instead (`tools.prove` checks it).

What may stand here: what loops or builds tuples of any length, dispatches over kinds, or only takes a whole `State`
or `Order` apart, calls confirmed functions and puts it together (the product of all enumerations in a State is too
many paths). Evidence: `contract:` the confirmed functions it is composed of, `test:` what holds the composition:
theorems over random event sequences, or exhaustive and exact tests. The two tables are compared entry by entry (R2,
R5).
"""

from __future__ import annotations

from typing import Final

_KERNEL: Final = "dolphin.kernel."
_TESTS: Final = "tests/kernel/"

_EVIDENCE: Final[dict[str, tuple[str, ...]]] = {
    "capital.risen_pending": (
        "test:test_capital.py::test_the_mark_is_the_running_maximum_of_the_windows_minimum",
        "test:test_capital.py::test_two_samples_of_one_second_count_as_the_smaller_and_bound_the_window",
    ),
    "capital.sampled": (
        "contract:capital.next_mark",
        "contract:capital.drawdown",
        "contract:capital.since_trapped",
        "test:test_capital.py::test_the_mark_is_the_running_maximum_of_the_windows_minimum",
    ),
    "capital.flowed": (
        "contract:capital.scaled_mark",
        "contract:capital.drawdown",
        "test:test_capital.py::test_a_flow_never_makes_the_drawdown_smaller_and_moves_the_mark_by_less_than_one",
    ),
    "contracts.checked": ("test:test_policy.py::test_contracts_are_on_where_the_environment_says_so",),
    "contracts.ensure": ("test:test_policy.py::test_contracts_are_on_where_the_environment_says_so",),
    "contracts.require": ("test:test_policy.py::test_contracts_are_on_where_the_environment_says_so",),
    "policy_change.looser": (
        "contract:policy_change.frees_held",
        "test:test_policy_change.py::test_every_field_has_a_looser_side_in_kernel_and_audit",
    ),
    "policy_change.changed": (
        "contract:policy_change.answered",
        "contract:policy_change.cuts_gap",
        "test:test_policy_change.py::test_what_is_looser_waits_for_apex_and_running_and_what_is_tighter_for_nothing",
        "test:test_policy_change.py::test_a_gap_that_runs_is_not_cut_short",
    ),
    "handlers.feed_at": ("test:test_machine.py::test_unknown_feeds_and_kinds_change_nothing_and_admit_nothing",),
    "handlers.with_feed_at": ("test:test_machine.py::test_the_books_r3_is_the_minimum_over_counted_instruments",),
    "handlers._seen": (
        "contract:sensing.spoken",
        "contract:sensing.enveloped",
        "test:test_machine.py::test_a_bad_reading_is_an_error_and_renews_nothing",
    ),
    "handlers._counted": (
        "contract:sensing.counting",
        "contract:units.flag",
        "test:test_machine.py::test_the_books_r3_is_the_minimum_over_counted_instruments",
    ),
    "handlers._shock": (
        "contract:sensing.shocked",
        "test:test_machine.py::test_shocks_do_not_stack",
    ),
    "handlers._sensor": (
        "contract:sensing.sensed",
        "test:test_machine.py::test_a_sensor_error_of_ten_seconds_is_zero_without_a_latch",
    ),
    "handlers._equity": (
        "contract:capital.unreadable",
        "test:test_machine.py::test_equity_unreadable_for_ten_seconds_trips_and_one_unpriced_sample_does_not",
    ),
    "handlers._flow": (
        "contract:capital.scaled_mark",
        "test:test_capital.py::test_a_flow_on_round_numbers_leaves_the_drawdown_unchanged",
    ),
    "handlers.green": (
        "contract:handlers.sound",
        "contract:sensing.unreadable",
        "test:test_machine.py::test_nothing_is_armed_or_confirmed_while_a_feed_or_an_invariant_is_not_green",
    ),
    "handlers._arm": (
        "contract:killswitch.arm",
        "contract:handlers.settled",
        "contract:handlers.taken_over",
        "test:test_machine.py::test_what_an_arm_request_needs",
    ),
    "handlers._confirm": (
        "contract:killswitch.confirm",
        "contract:sensing.restarted",
        "test:test_machine.py::test_a_confirm_needs_its_nonce_and_a_minute_and_leads_to_zero",
        "test:test_machine.py::test_a_confirm_restarts_all_deadlines",
    ),
    "handlers._rebase_arm": (
        "contract:capital.rebase_armed",
        "test:test_capital.py::test_a_rebase_takes_two_steps_of_the_operator_while_trapped",
    ),
    "handlers._rebase_confirm": (
        "contract:capital.rebased",
        "test:test_capital.py::test_a_rebase_takes_two_steps_of_the_operator_while_trapped",
    ),
    "handlers._resume": (
        "contract:sensing.resumed",
        "contract:sensing.silenced",
        "test:test_machine.py::test_downtime_earns_and_trips_nothing_and_every_feed_must_speak_again",
    ),
    "handlers.standing": (
        "contract:killswitch.running",
        "contract:sensing.unreadable",
        "contract:timing.stale",
        "contract:timing.instrument_bp",
        "test:test_machine.py::test_silence_of_an_instrument_is_stale_and_ramps_its_r3",
    ),
    "handlers._order": (
        "test:test_theorems.py::test_no_accepted_order_leaves_leverage_above_the_allowed",
        "test:test_theorems.py::test_a_truly_reducing_order_passes_whole_in_every_state",
    ),
    "handlers._reduce": (
        "test:test_orders.py::test_when_no_own_order_leaves",
        "test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",
    ),
    "handlers._tick": ("test:test_theorems.py::test_asking_more_often_changes_neither_state_nor_effects",),
    "handlers._none": ("test:test_machine.py::test_unknown_feeds_and_kinds_change_nothing_and_admit_nothing",),
    "handlers.handle": (
        "test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",
        "test:test_machine.py::test_every_reason_names_its_requirement_and_every_event_its_kind",
    ),
    "handlers.replans": (
        "test:test_theorems.py::test_asking_more_often_changes_neither_state_nor_effects",
        "test:test_machine.py::test_equity_unreadable_for_ten_seconds_trips_and_one_unpriced_sample_does_not",
    ),
    "handlers.arrives": (
        "test:test_machine.py::test_downtime_earns_and_trips_nothing_and_every_feed_must_speak_again",
    ),
    "handlers.asks": ("test:test_theorems.py::test_asking_more_often_changes_neither_state_nor_effects",),
    "handlers.causes": (
        "test:test_machine.py::test_a_kill_or_fault_latches_in_the_same_step_and_a_second_one_changes_nothing",
    ),
    "handlers.consequences": (
        "contract:trimming.excess",
        "contract:trimming.held_limit",
        "test:test_orders.py::test_excess_is_judged_by_the_posture_that_the_sample_led_to",
    ),
    "ledger_books.booked": (
        "contract:ledger.posted",
        "contract:ledger.merged",
        "test:test_ledger.py::test_the_books_hold_what_each_position_would_hold_alone",
    ),
    "ledger_books.charged": ("test:test_ledger.py::test_fees_are_kept_by_currency_and_rebates_are_negative",),
    "ledger_books.deposited": ("test:test_ledger.py::test_money_is_capital_less_fees_and_what_was_paid",),
    "ledger_books.by_instrument": (
        "contract:ledger.merged",
        "test:test_ledger.py::test_the_books_hold_what_each_position_would_hold_alone",
    ),
    "ledger_books.taken_over": (
        "contract:ledger.left_at_cost",
        "contract:ledger.settled",
        "test:test_ledger.py::test_other_lots_leave_profit_as_it_was_and_begin_at_their_own_price",
        "test:test_ledger.py::test_the_same_lots_under_another_name_keep_their_cost",
    ),
    "ledger_books._apart": (
        "contract:ledger.merged",
        "test:test_ledger.py::test_the_same_lots_under_another_name_keep_their_cost",
    ),
    "ledger_books._ended": ("contract:ledger.merged",),
    "ledger_books.rescaled": ("test:test_ledger.py::test_other_scales_are_other_numbers_of_the_same_money",),
    "ledger_books._scaled": ("test:test_ledger.py::test_other_scales_are_other_numbers_of_the_same_money",),
    "ledger_books.canonical": ("test:test_ledger.py::test_other_books_have_another_text_and_equal_ones_the_same",),
    "ledger_books._numbers": ("test:test_ledger.py::test_other_books_have_another_text_and_equal_ones_the_same",),
    "machine._moved": (
        "contract:posture.move",
        "contract:machine.moved_to",
        "test:test_golden.py::test_moves_carry_their_own_time",
    ),
    "machine.tripped": (
        "contract:killswitch.trip",
        "test:test_machine.py::test_a_kill_or_fault_latches_in_the_same_step_and_a_second_one_changes_nothing",
    ),
    "machine._deadlines": (
        "contract:timing.overdue",
        "test:test_machine.py::test_a_heartbeat_that_comes_at_its_deadline_finds_the_fault_latched",
    ),
    "machine.read": (
        "contract:survival.r1",
        "contract:timing.r2_at",
        "contract:timing.r4_at",
        "contract:survival.r5",
        "test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",
    ),
    "machine._reread": (
        "contract:survival.r_total",
        "contract:confidence.cut",
        "contract:machine.landed",
        "test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",
    ),
    "machine._settled": (
        "contract:survival.r_total",
        "contract:confidence.cut",
        "contract:machine.landed",
        "test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",
    ),
    "machine.credited_ms": (
        "contract:timing.earned_ms",
        "test:test_theorems.py::test_two_upward_entries_into_a_posture_are_420000_credited_ms_apart",
    ),
    "machine.visit": (
        "contract:confidence.earn",
        "test:test_theorems.py::test_asking_more_often_changes_neither_state_nor_effects",
        "test:test_golden.py::test_golden_times_in_three_ways_of_asking",
    ),
    "machine.advance": (
        "test:test_theorems.py::test_asking_more_often_changes_neither_state_nor_effects",
        "test:test_golden.py::test_golden_times_in_three_ways_of_asking",
    ),
    "machine._with_filter": ("test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",),
    "machine._with_plan": ("test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",),
    "machine.replanned": ("test:test_theorems.py::test_asking_more_often_changes_neither_state_nor_effects",),
    "machine.step": (
        "test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",
        "test:test_theorems.py::test_asking_more_often_changes_neither_state_nor_effects",
        "test:test_theorems.py::test_a_time_fault_or_a_bad_number_never_raises_confidence",
        "test:test_theorems.py::test_the_same_corpus_gives_the_same_hash_without_contracts",
    ),
    "machine.whole": (
        "test:test_theorems.py::test_every_event_leaves_a_state_in_range_and_none_raises",
        "test:test_theorems.py::test_the_short_way_of_a_reading_says_what_the_whole_one_says",
    ),
    "machine._heard": (
        "contract:sensing.spoken",
        "test:test_theorems.py::test_the_short_way_of_a_reading_says_what_the_whole_one_says",
    ),
    "machine._sampled": (
        "contract:survival.r5",
        "test:test_theorems.py::test_the_short_way_of_a_reading_says_what_the_whole_one_says",
    ),
    "machine._faulted": ("test:test_machine.py::test_a_step_back_of_up_to_a_second_is_judged_at_the_latest_time",),
    "machine.start": ("test:test_machine.py::test_where_a_run_starts",),
    "orders.enter": (
        "contract:orders.bar",
        "contract:orders.used",
        "contract:sizer.allowed_entry_bp",
        "contract:sizer.fit",
        "contract:orders.capped",
        "test:test_theorems.py::test_no_accepted_order_leaves_leverage_above_the_allowed",
        "test:test_orders.py::test_a_limit_caps_the_entry_part_alone",
    ),
    "orders.parts": (
        "contract:orders.opposes",
        "contract:orders.split",
        "contract:orders.remaining",
        "test:test_theorems.py::test_a_truly_reducing_order_passes_whole_in_every_state",
    ),
    "orders.settle": (
        "contract:orders.leaving",
        "contract:orders.complete",
        "contract:orders.refused",
        "contract:orders.short",
        "test:test_theorems.py::test_no_accepted_order_leaves_leverage_above_the_allowed",
    ),
    "orders.judge": (
        "contract:orders.opposes",
        "contract:orders.split",
        "test:test_theorems.py::test_no_accepted_order_leaves_leverage_above_the_allowed",
        "test:test_theorems.py::test_a_truly_reducing_order_passes_whole_in_every_state",
    ),
    "trimming.reduce": (
        "contract:trimming.emptying",
        "test:test_orders.py::test_when_no_own_order_leaves",
        "test:test_orders.py::test_hibernate_and_a_kill_hold_nothing_after_a_fall",
    ),
    "trimming.trim": (
        "contract:trimming.excess",
        "contract:trimming.lots_over",
        "contract:trimming.too_soon",
        "test:test_orders.py::test_the_whole_excess_is_trimmed_once_it_passes_the_band",
    ),
    "policy.problems": (
        "test:test_policy.py::test_a_contradiction_is_named",
        "test:test_policy.py::test_the_shipped_policies_contradict_nothing",
    ),
    "sizer.target_lots": (
        "contract:sizer.fit",
        "contract:sizer.limit",
        "contract:sizer.allowed_entry_bp",
        "test:test_theorems.py::test_integer_results_are_at_most_the_real_ones",
    ),
    "state.outcome": ("test:test_machine.py::test_an_outcome_carries_what_a_record_says_of_the_state",),
    "timing.planned": (
        "contract:timing.feed_deadline_ns",
        "contract:timing.feed_credit_ns",
        "contract:timing.heartbeat_lost",
        "contract:timing.error_deadline_ns",
        "test:test_theorems.py::test_a_plan_is_the_least_of_what_each_feed_adds",
        "test:test_theorems.py::test_asking_more_often_changes_neither_state_nor_effects",
    ),
}


def _full(evidence: str) -> str:
    """Evidence as requirements.toml writes it."""
    kind, _, target = evidence.partition(":")
    return f"{kind}:{_KERNEL if kind == 'contract' else _TESTS}{target}"


COMPOSED: Final = {_KERNEL + name: tuple(_full(item) for item in evidence) for name, evidence in _EVIDENCE.items()}
"""Full name of each composed function -> its evidence."""
