"""The task for the scheduler of Windows. Written by its documentation and tested as a document only."""

from __future__ import annotations

from collections.abc import Sequence
from subprocess import list2cmdline
from xml.sax.saxutils import escape

_TEMPLATE = """\
<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>gimmal: serves a half while it is plugged in</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Principals>
    <Principal id="Author"><LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel></Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Hidden>true</Hidden>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>{program}</Command><Arguments>{arguments}</Arguments></Exec>
  </Actions>
</Task>
"""


def windows_task(command: Sequence[str]) -> str:
    """The text of the task.

    Args:
        command: words that run the supervisor; the first is an absolute path.
    """
    program, *arguments = command
    return _TEMPLATE.format(program=escape(program), arguments=escape(list2cmdline(arguments)))
