"""Loaded by CrossHair (`--extra_plugin`): icontract's set of running checks must not leak from one path into the next.

icontract keeps the functions whose contracts are being checked in a context variable. What CrossHair puts into it is a
proxy that outlives its path; the next path then sees a contract "in progress" and fails with RecursionError or
NotDeterministic. A fresh set at load time makes each path begin with none.
"""

from icontract import _checkers

_checkers._IN_PROGRESS.set(set())
