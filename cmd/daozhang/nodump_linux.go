package main

import (
	"syscall"

	"daozhang/internal/fault"
)

// noDump keeps the memory of this process, in which card data live for the length
// of an exchange, out of core files and away from debuggers of the same user. A
// limit of nothing does not hold where cores are piped to a program; that the
// process is not dumpable does.
func noDump() error {
	const setDumpable = 4 // PR_SET_DUMPABLE
	err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	if err == nil {
		if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0); e != 0 {
			err = e
		}
	}
	if err != nil {
		return fault.New(fault.Internal, fault.Say("forbid", "禁止"), "core dumps", err, fault.Say("the system does not allow it", "系统不允许此设置"))
	}
	return nil
}
