package raftfsm

import (
	"fmt"
	"io"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapSink passes what the raft library logs on to zap, with its fields.
type zapSink struct{ log *zap.SugaredLogger }

// newRaftLogger is a logger for the raft library: the library's own output is
// off, the sink takes it all and zap decides on levels.
func newRaftLogger(to *zap.Logger) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard})
	logger.RegisterSink(zapSink{log: to.Named("raft").WithOptions(zap.WithCaller(false)).Sugar()})
	return logger
}

// Accept implements hclog.SinkAdapter.
func (s zapSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	for i, arg := range args {
		if f, ok := arg.(hclog.Format); ok { // a format and its arguments in one value
			if format, ok := f[0].(string); ok {
				args[i] = fmt.Sprintf(format, f[1:]...)
			}
		}
	}
	s.log.Logw(zapLevel(level), msg, args...)
}

func zapLevel(level hclog.Level) zapcore.Level {
	switch level {
	case hclog.Info:
		return zapcore.InfoLevel
	case hclog.Warn:
		return zapcore.WarnLevel
	case hclog.Error:
		return zapcore.ErrorLevel
	}
	return zapcore.DebugLevel
}
