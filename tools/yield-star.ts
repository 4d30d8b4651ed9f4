// SPDX-License-Identifier: MIT
// A call of an operation without `yield*` builds an object and does nothing. The compiler sees
// nothing wrong; this check asks it for the types and finds
//   - statements whose value is an operation that nobody takes;
//   - operations returned to a caller who ignores results (`forEach((c) => c.send(x))`);
//   - generator functions given to vitest, which would call them and run nothing.

import ts from "typescript";
import { type Finding, findingAt, type Project, relativePath, walk } from "./project.ts";

const OPERATION_NAMES = new Set(["Operation", "Generator", "AsyncGenerator", "Wait"]);
/** vitest's functions, and helpers named after them (`describeWithNic`, `itWithNic`). */
const TEST_FUNCTION = /^(?:(?:after|before)(?:All|Each)|(?:describe|it|test)(?:[A-Z]\w*)?)$/;
const CHECKED = /^(src|scheduler|examples|bench|test|native-io)\//;

/** Finds operations that are made and never run. */
export function checkYieldStar(project: Project): Finding[] {
  const findings: Finding[] = [];
  for (const file of project.sources) {
    if (!CHECKED.test(relativePath(project, file.fileName))) continue;
    walk(file, (node) => {
      const message = lostOperation(project.checker, node);
      if (message !== null) findings.push(findingAt(project, file, node, message));
    });
  }
  return findings;
}

function lostOperation(checker: ts.TypeChecker, node: ts.Node): string | null {
  if (ts.isExpressionStatement(node)) {
    const lost = discarded(node.expression).find((each) => isOperation(checker, each));
    if (lost === undefined) return null;
    return `${snippet(lost)} is an operation and does nothing without yield*`;
  }
  if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
    if (!isResultIgnored(checker, node) || !isOperation(checker, node.body)) return null;
    return `${snippet(node.body)} is an operation, and the caller of this function ignores it`;
  }
  if (ts.isFunctionExpression(node) && node.asteriskToken !== undefined) {
    if (isResultIgnored(checker, node)) return "generator given to a caller that does not run it";
    if (isGivenToVitest(node)) return "vitest calls this generator and runs nothing of it";
  }
  return null;
}

/** The expressions whose values a statement throws away. */
function discarded(expression: ts.Expression): ts.Expression[] {
  if (ts.isParenthesizedExpression(expression)) return discarded(expression.expression);
  if (ts.isVoidExpression(expression) || ts.isAwaitExpression(expression)) {
    return discarded(expression.expression);
  }
  if (ts.isConditionalExpression(expression)) {
    return [...discarded(expression.whenTrue), ...discarded(expression.whenFalse)];
  }
  if (ts.isBinaryExpression(expression)) {
    const kind = expression.operatorToken.kind;
    if (kind === ts.SyntaxKind.CommaToken) {
      return [...discarded(expression.left), ...discarded(expression.right)];
    }
    const isLogical =
      kind === ts.SyntaxKind.AmpersandAmpersandToken ||
      kind === ts.SyntaxKind.BarBarToken ||
      kind === ts.SyntaxKind.QuestionQuestionToken;
    return isLogical ? discarded(expression.right) : [];
  }
  return [expression];
}

/** Whether an expression is an operation, or may be one of a union. */
function isOperation(checker: ts.TypeChecker, expression: ts.Expression): boolean {
  // Assignments keep their value; `yield` and literals are never lost operations.
  const isCandidate =
    ts.isCallExpression(expression) ||
    ts.isIdentifier(expression) ||
    ts.isPropertyAccessExpression(expression) ||
    ts.isNewExpression(expression);
  return isCandidate && isOperationType(checker, checker.getTypeAtLocation(expression));
}

function isOperationType(checker: ts.TypeChecker, type: ts.Type): boolean {
  if (type.isUnionOrIntersection())
    return type.types.some((each) => isOperationType(checker, each));
  // Effection's tasks are operations and promises; they run already.
  if (type.getProperty("then") !== undefined) return false;
  if (type.symbol !== undefined && OPERATION_NAMES.has(type.symbol.name)) return true;
  if (type.aliasSymbol !== undefined && OPERATION_NAMES.has(type.aliasSymbol.name)) return true;
  const bases = type.isClassOrInterface()
    ? checker.getBaseTypes(type)
    : (type.getBaseTypes() ?? []);
  const target = (type as ts.TypeReference).target as ts.Type | undefined;
  if (target !== undefined && target !== type && isOperationType(checker, target)) return true;
  return bases.some((base) => isOperationType(checker, base));
}

/** Whether the function is passed where one that returns `void` is wanted. */
function isResultIgnored(
  checker: ts.TypeChecker,
  node: ts.ArrowFunction | ts.FunctionExpression,
): boolean {
  const wanted = checker.getContextualType(node);
  const signatures = wanted?.getCallSignatures() ?? [];
  return (
    signatures.length > 0 &&
    signatures.every((each) => (each.getReturnType().flags & ts.TypeFlags.Void) !== 0)
  );
}

function isGivenToVitest(node: ts.FunctionExpression): boolean {
  if (!ts.isCallExpression(node.parent)) return false;
  let callee: ts.Node = node.parent.expression;
  while (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee)) {
    callee = callee.expression;
  }
  return ts.isIdentifier(callee) && TEST_FUNCTION.test(callee.text);
}

function snippet(node: ts.Node): string {
  const text = node.getText().replace(/\s+/g, " ");
  return `\`${text.length > 40 ? `${text.slice(0, 37)}...` : text}\``;
}
