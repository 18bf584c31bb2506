"""The books after a run: whether what each answer cost, what was summed up, and what the budget counted are the same."""

import sqlite3
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal

from gateway.cases import request
from gateway.peers import BUDGET_USD, Target
from report import Row

_PICO = 10**12


@dataclass(frozen=True)
class Ledger:
    """Reads Alcove's usage rows and sums from its database, and the live budget counter from the header fields of an answer."""

    target: Target

    def rows(self, good: int) -> list[Row]:
        """Gives the books beside the count of right answers that clients saw; what this version does not keep, as a dash."""
        rows, summed = self._rows(), self._summed()
        left = self._left_usd()
        found: dict[str, object] = {"right answers seen": Decimal(good)}
        if rows is not None:
            found |= {"usage rows of status 200": rows["good"], "usage rows": rows["all"], "tokens in rows": rows["tokens"], "USD in rows": f"{rows['usd']:.9f}"}  # fmt: skip
        if rows is not None and summed is not None:
            found |= {
                "error of sums, tokens": summed["tokens"] - rows["tokens"],
                "error of sums, USD": f"{summed['usd'] - rows['usd']:.9f}",
            }
        if rows is not None and left is not None:
            spent = Decimal(BUDGET_USD) - left
            found |= {"spent by live counter, USD": f"{spent:.6f}", "budget error, USD": f"{spent - rows['usd']:.6f}"}
        if rows is None:
            found["usage rows"] = "not kept by this version"
        return [{"what": name, "figure": int(value) if isinstance(value, Decimal) else str(value)} for name, value in found.items()]  # fmt: skip

    def _rows(self) -> dict[str, Decimal] | None:
        found = self._ask(
            "SELECT count(*), coalesce(sum(status = 200), 0), coalesce(sum(input_tokens + output_tokens), 0), coalesce(sum(usd_pico), 0) FROM usage_rows"
        )
        return (
            None if found is None else {"all": found[0], "good": found[1], "tokens": found[2], "usd": found[3] / _PICO}
        )

    def _summed(self) -> dict[str, Decimal] | None:
        # Each row counts once under its key for each kind of period; a run has one key.
        found = self._ask(
            "SELECT coalesce(sum(tokens), 0), coalesce(sum(usd_pico), 0) FROM usage_spend"
            " WHERE subject LIKE 'key:%' GROUP BY period ORDER BY 1 DESC LIMIT 1"
        )
        return None if found is None else {"tokens": found[0], "usd": found[1] / _PICO}

    def _ask(self, question: str) -> list[Decimal] | None:
        if self.target.data_dir is None:
            return None
        try:
            with closing(sqlite3.connect(f"file:{self.target.data_dir / 'alcove.db'}?mode=ro", uri=True)) as database:
                return [Decimal(value) for value in database.execute(question).fetchone() or ()] or None
        except sqlite3.OperationalError:
            return None

    def _left_usd(self) -> Decimal | None:
        body = request("small", {}, is_streaming=False).partition(b"\r\n\r\n")[2]
        headers = {"content-type": "application/json", **self.target.headers}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.target.port}/v1/chat/completions", body, headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            left = answer.headers.get("x-alcove-budget-remaining-usd")
        return None if left is None else Decimal(left)
